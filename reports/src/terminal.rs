//! What a person watching the run reads: a line for each scenario, and one at the end.
use harness::record::{Cell, Outcome, Record, Run, Totals, WaiverState};

/// More bad cells than this are only in `run.json`.
const CELLS_SHOWN: usize = 10;

/// Longer words of a cluster are cut: a terminal is no place for a page of HTML.
const LONGEST: usize = 300;

/// The scenario in one line, and each cell that is not as it must be in a line below it; without a final line break.
pub fn line(record: &Record, colors: bool) -> String {
    let (status, color) = status(&record.outcome);
    let status = format!("{status:<14}");
    let status = if colors { format!("\u{1b}[{color}m{status}\u{1b}[0m") } else { status };
    let cells = match record.cells.len() {
        1 => "1 cell".to_owned(),
        number => format!("{number} cells"),
    };
    let line = format!("{status}  {:<36}  {:<16}  {cells:<9}  {}", record.id, guards(record), speed(record));
    let mut lines = vec![line.trim_end().to_owned()];
    lines.extend(below(record).into_iter().map(|line| format!("    {line}")));
    lines.join("\n")
}

/// The run in one sentence.
pub fn summary(run: &Run) -> String {
    let Totals { passed, failed, inconclusive, waived, not_applicable } = run.totals();
    format!(
        "{passed} denied, {failed} allowed, {inconclusive} inconclusive, {waived} waived, {not_applicable} not applicable"
    )
}

/// What there is to say of waivers: one that can go, has expired or covers nothing is a line; one that is used is none.
pub fn waivers(run: &Run) -> Vec<String> {
    let lines = run.waivers.iter().filter_map(|waiver| {
        let why = match waiver.state {
            WaiverState::Used => return None,
            WaiverState::CanGo => "can go: what it covers is denied by now",
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

/// A line for each entry of the suite's allow-lists that nothing was found for: it is a typo, or it can go.
pub fn allowances(run: &Run) -> Vec<String> {
    let idle = run.allowances.iter().filter(|entry| !entry.met);
    idle.map(|entry| {
        format!("the suite allows {:?} in {}, and no such thing was found", words(&entry.name), words(&entry.scenario))
    })
    .collect()
}

/// The word, and its colour's number.
fn status(outcome: &Outcome) -> (&'static str, u8) {
    match outcome {
        Outcome::Denied { .. } => ("denied", 32),
        Outcome::Allowed { .. } => ("allowed", 31),
        Outcome::Waived { .. } => ("waived", 36),
        Outcome::Inconclusive { .. } => ("inconclusive", 33),
        Outcome::NotApplicable { .. } => ("not applicable", 2),
    }
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

/// The lines below: why it does not apply, or the bad cells, those that were allowed first.
fn below(record: &Record) -> Vec<String> {
    let (allowed, inconclusive) = match &record.outcome {
        Outcome::Denied { .. } => return Vec::new(),
        Outcome::NotApplicable { why } => return vec![words(why)],
        Outcome::Allowed { evidence: said } | Outcome::Inconclusive { why: said } if record.cells.is_empty() => {
            return vec![words(said)];
        }
        // A waived scenario has no worse cells than waived ones: each is told with who answers for it.
        Outcome::Waived { .. } => {
            let waived = record.cells.iter().filter(|cell| matches!(cell.outcome, Outcome::Waived { .. }));
            return waived.take(CELLS_SHOWN).map(bad_cell).collect();
        }
        _ => (
            record.cells.iter().filter(|cell| matches!(cell.outcome, Outcome::Allowed { .. })),
            record.cells.iter().filter(|cell| matches!(cell.outcome, Outcome::Inconclusive { .. })),
        ),
    };
    let bad: Vec<&Cell> = allowed.chain(inconclusive).collect();
    let mut lines: Vec<String> = bad.iter().take(CELLS_SHOWN).map(|cell| bad_cell(cell)).collect();
    if let Some(more) = bad.len().checked_sub(CELLS_SHOWN).filter(|more| *more > 0) {
        lines.push(format!("... and {more} more in run.json"));
    }
    lines
}

fn bad_cell(cell: &Cell) -> String {
    let said = match &cell.outcome {
        Outcome::Denied { evidence, .. } | Outcome::Allowed { evidence } => evidence,
        Outcome::Inconclusive { why } | Outcome::NotApplicable { why } => why,
        Outcome::Waived { evidence, reason, owner, until } => {
            &format!("until {until}, {owner} answers for it ({reason}): {evidence}")
        }
    };
    format!("{}: {}: {}", status(&cell.outcome).0, words(&cell.name), words(said))
}

/// A cluster's words on one line, cut, and unable to do anything to the terminal.
fn words(text: &str) -> String {
    let mut line = String::new();
    for (shown, character) in text.split_whitespace().collect::<Vec<_>>().join(" ").chars().enumerate() {
        if shown == LONGEST {
            return line + " ...";
        }
        if character.is_control() {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    line
}
