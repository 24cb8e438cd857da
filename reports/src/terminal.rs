//! What a person watching the run reads: a line for each scenario, and one at the end.
use std::collections::{BTreeMap, BTreeSet};

use harness::printable;
use harness::record::{Acknowledged, AcknowledgementState, Cell, Outcome, Record, Run, Totals, WaiverState};

use crate::causes::{Cause, Sentence, listed};

/// More causes than this are only in `run.json`.
const CAUSES_SHOWN: usize = 10;

/// Longer words of a cluster are cut: a terminal is no place for a page of HTML.
const LONGEST: usize = 300;

/// The lines of one run. Why nothing was proved is said where it comes up first: later scenarios say where that was.
#[derive(Debug, Default)]
pub struct Terminal {
    colors: bool,
    told: Vec<Told>,
}

/// Why something is inconclusive or does not apply, and for whom.
#[derive(Debug)]
struct Told {
    status: &'static str,
    sentence: Sentence,
    cells: usize,
    scenarios: Vec<String>,
}

impl Terminal {
    /// Nothing is said yet.
    pub fn new(colors: bool) -> Self {
        Self { colors, told: Vec::new() }
    }

    /// The scenario in one line, and each cause of what is not as it must be in a line below it; without a final line break.
    pub fn lines(&mut self, record: &Record) -> String {
        let (status, color) = status(&record.outcome);
        let status = format!("{status:<14}");
        let status = if self.colors { format!("\u{1b}[{color}m{status}\u{1b}[0m") } else { status };
        let cells = counted(record.cells.len(), "cell");
        let line = format!("{status}  {:<36}  {:<16}  {cells:<9}  {}", record.id, guards(record), speed(record));
        let mut lines = vec![line.trim_end().to_owned()];
        lines.extend(self.below(record).into_iter().map(|line| format!("    {line}")));
        lines.join("\n")
    }

    /// A line for each cause that left several scenarios inconclusive: how many, and which.
    pub fn shared(&self) -> Vec<String> {
        let shared = self.told.iter().filter(|told| told.status == INCONCLUSIVE && told.scenarios.len() > 1);
        shared
            .map(|Told { cells, scenarios, .. }| {
                format!(
                    "one cause, said at {}, left {} of {} scenarios inconclusive: {}",
                    scenarios[0],
                    counted(*cells, "cell"),
                    scenarios.len(),
                    listed(scenarios.iter().map(String::as_str))
                )
            })
            .collect()
    }

    /// The lines below: why it does not apply, or what is bad, what was allowed first.
    fn below(&mut self, record: &Record) -> Vec<String> {
        let shown: &[&str] = match &record.outcome {
            Outcome::Denied { .. } => &[],
            Outcome::NotApplicable { why: said }
            | Outcome::Allowed { evidence: said }
            | Outcome::Inconclusive { why: said, .. }
                if record.cells.is_empty() =>
            {
                return vec![words(said)];
            }
            Outcome::NotApplicable { .. } => &[NOT_APPLICABLE],
            // A waived scenario has no worse cells than waived ones: each is told with who answers for it.
            Outcome::Waived { .. } => &[WAIVED],
            Outcome::Inconclusive { acknowledged: Some(_), .. } => &[ACKNOWLEDGED, WAIVED],
            Outcome::Allowed { .. } | Outcome::Inconclusive { .. } => &[ALLOWED, INCONCLUSIVE, ACKNOWLEDGED],
        };
        let causes =
            |status| Cause::of(record, move |cell| said(cell, status)).into_iter().map(move |cause| (status, cause));
        let mut causes: Vec<_> = shown.iter().copied().flat_map(causes).collect();
        let more: usize = causes.iter().skip(CAUSES_SHOWN).map(|(_, cause)| cause.cells.len()).sum();
        causes.truncate(CAUSES_SHOWN);
        let mut lines: Vec<String> = causes.iter().map(|(status, cause)| self.line(record, status, cause)).collect();
        if more > 0 {
            lines.push(format!("... and {more} more in run.json"));
        }
        lines
    }

    fn line(&mut self, record: &Record, status: &'static str, cause: &Cause) -> String {
        let whose = words(&cause.whose());
        // What was allowed is another finding in each scenario, whatever is said of it.
        if matches!(status, INCONCLUSIVE | ACKNOWLEDGED | NOT_APPLICABLE) {
            let cells = cause.cells.len();
            if let Some(told) = self
                .told
                .iter_mut()
                .find(|told| told.status == status && told.sentence.is_but_for_names(&cause.sentence))
            {
                told.cells += cells;
                told.scenarios.push(record.id.clone());
                return format!("{status}: {whose}: as said at {}", told.scenarios[0]);
            }
            self.told.push(Told {
                status,
                sentence: cause.sentence.clone(),
                cells,
                scenarios: vec![record.id.clone()],
            });
        }
        format!("{status}: {whose}: {}", words(&cause.said()))
    }
}

/// The run in one sentence.
pub fn summary(run: &Run) -> String {
    let Totals { passed, failed, inconclusive, acknowledged, waived, not_applicable } = run.totals();
    format!(
        "{passed} denied, {failed} allowed, {inconclusive} inconclusive, {acknowledged} acknowledged, {waived} waived, {not_applicable} not applicable"
    )
}

/// What there is to say of waivers: one that can go, has expired or covers nothing is a line; one that is used is none.
pub fn waivers(run: &Run) -> Vec<String> {
    let lines = run.waivers.iter().filter_map(|waiver| {
        let why = match waiver.state {
            WaiverState::Used => return None,
            WaiverState::CanGo => "can go: what it covers is denied by now, or a later one forgives it",
            WaiverState::Expired => "has expired: what it covered is a failure again",
            WaiverState::Unused => "covers nothing that ran",
        };
        Some(format!(
            "the waiver for {} until {} ({}) {why}",
            words(&waiver.scenario),
            waiver.until,
            words(&waiver.owner)
        ))
    });
    lines.collect()
}

/// What there is to say of acknowledgements: as of waivers, and which has met another cause than its own.
pub fn acknowledgements(run: &Run) -> Vec<String> {
    let lines = run.acknowledgements.iter().filter_map(|entry| {
        let why = match entry.state {
            AcknowledgementState::Used => return None,
            AcknowledgementState::CanGo => {
                "can go: what it covers is proved by now, or a later one acknowledges it".into()
            }
            AcknowledgementState::Expired => "has expired: what it covered is inconclusive again".into(),
            AcknowledgementState::OtherCause => {
                format!(
                    "acknowledges nothing: what it covers is inconclusive for another cause than {:?}",
                    words(&entry.says)
                )
            }
            AcknowledgementState::Unused => "covers nothing that ran".into(),
        };
        let (scenario, owner) = (words(&entry.scenario), words(&entry.owner));
        Some(format!("the acknowledgement for {scenario} until {} ({owner}) {why}", entry.until))
    });
    lines.collect()
}

/// Who has put containers beside probes' own: what a probe gets to or is reached by, theirs may have taken or refused first.
pub fn strangers(run: &Run) -> Vec<String> {
    let mut whose: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for probe in &run.probes {
        for name in &probe.strangers {
            whose.entry(name).or_default().insert(&probe.namespace);
        }
    }
    let lines = whose.into_iter().map(|(name, namespaces)| {
        let (name, namespaces) = (words(name), words(&listed(namespaces.into_iter())));
        format!("somebody puts container {name} beside probes, in {namespaces}: what they get to, it may take or refuse first")
    });
    lines.collect()
}

/// A line for each entry of the suite's allow-lists that nothing was found for: it is a typo, or it can go.
pub fn allowances(run: &Run) -> Vec<String> {
    let idle = run.allowances.iter().filter(|entry| !entry.met);
    idle.map(|entry| {
        format!("the suite allows {:?} in {}, and no such thing was found", words(&entry.name), words(&entry.scenario))
    })
    .collect()
}

const ALLOWED: &str = "allowed";
const WAIVED: &str = "waived";
const INCONCLUSIVE: &str = "inconclusive";
const ACKNOWLEDGED: &str = "acknowledged";
const NOT_APPLICABLE: &str = "not applicable";

/// The word, and its colour's number.
fn status(outcome: &Outcome) -> (&'static str, u8) {
    match outcome {
        Outcome::Denied { .. } => ("denied", 32),
        Outcome::Allowed { .. } => (ALLOWED, 31),
        Outcome::Waived { .. } => (WAIVED, 36),
        Outcome::Inconclusive { acknowledged: None, .. } => (INCONCLUSIVE, 33),
        Outcome::Inconclusive { acknowledged: Some(_), .. } => (ACKNOWLEDGED, 35),
        Outcome::NotApplicable { .. } => (NOT_APPLICABLE, 2),
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Who said no, each once, in the cells' order.
fn guards(record: &Record) -> String {
    let mut guards = Vec::new();
    for cell in &record.cells {
        if let Outcome::Denied { guard, .. } = cell.outcome
            && !guards.contains(&guard.name())
        {
            guards.push(guard.name());
        }
    }
    guards.join(", ")
}

/// How fast the denials came, from the fastest to the slowest.
fn speed(record: &Record) -> String {
    let after = || record.cells.iter().filter_map(|cell| cell.denied_after_ms);
    match (after().min(), after().max()) {
        (Some(fastest), Some(slowest)) if fastest < slowest => format!("denied in {fastest}-{slowest} ms"),
        (Some(fastest), _) => format!("denied in {fastest} ms"),
        _ => String::new(),
    }
}

/// What is said of a cell where it has that status.
fn said(cell: &Cell, wanted: &str) -> Option<String> {
    (status(&cell.outcome).0 == wanted).then(|| match &cell.outcome {
        Outcome::Denied { evidence, .. } | Outcome::Allowed { evidence } => evidence.clone(),
        Outcome::Inconclusive { why, acknowledged: None } | Outcome::NotApplicable { why } => why.clone(),
        Outcome::Inconclusive { why, acknowledged: Some(Acknowledged { reason, owner, until }) } => {
            format!("until {until}, {owner} answers for it ({reason}): {why}")
        }
        Outcome::Waived { evidence, reason, owner, until } => {
            format!("until {until}, {owner} answers for it ({reason}): {evidence}")
        }
    })
}

/// A cluster's words on one line, cut, and unable to do anything to the terminal.
fn words(text: &str) -> String {
    let line = printable::line(text);
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}
