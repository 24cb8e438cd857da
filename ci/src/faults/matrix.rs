//! Judging a run under a fault by the same run without: cell by cell, for a scenario's own outcome hides all but its worst.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::record::{Outcome, Run};

/// One fault's line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) fault: String,
    pub(super) took: Duration,
    /// One letter a scenario.
    pub(super) letters: Vec<char>,
    /// Cells that say `denied`, or nothing, where the same run without the fault had another answer.
    pub(super) false_passes: Vec<String>,
    /// Cells that say `allowed` where the same run without the fault was denied.
    pub(super) false_alarms: Vec<String>,
    pub(super) hung: bool,
    /// What was there afterwards and not before (+), or the other way round (-).
    pub(super) leftovers: Vec<String>,
    /// Why the run proves nothing about the fault.
    pub(super) void: Option<String>,
}

/// What each letter stands for.
pub(super) const LEGEND: &str =
    "A allowed, D denied, i inconclusive, w waived, n not applicable, - not in the record, . not asked";

pub(super) fn letter(outcome: &Outcome) -> char {
    match outcome {
        Outcome::Denied { .. } => 'D',
        Outcome::Allowed { .. } => 'A',
        Outcome::Waived { .. } => 'w',
        Outcome::Inconclusive { .. } => 'i',
        Outcome::NotApplicable { .. } => 'n',
    }
}

/// The letters of a run, in the order of `truth`; only those for which `asked` holds had to run.
pub(super) fn letters(truth: &Run, found: &Run, asked: impl Fn(&str) -> bool) -> Vec<char> {
    let of = |id: &str| found.scenarios.iter().find(|record| record.id == id).map(|record| letter(&record.outcome));
    let absent = |id: &str| if asked(id) { '-' } else { '.' };
    truth.scenarios.iter().map(|record| of(&record.id).unwrap_or_else(|| absent(&record.id))).collect()
}

/// False passes and false alarms of `found`, each with what it said, among those for which `asked` holds.
pub(super) fn compare(truth: &Run, found: &Run, asked: impl Fn(&str) -> bool) -> (Vec<String>, Vec<String>) {
    let (mut passes, mut alarms) = (Vec::new(), Vec::new());
    for expected in truth.scenarios.iter().filter(|record| asked(&record.id)) {
        let Some(record) = found.scenarios.iter().find(|record| record.id == expected.id) else {
            passes.push(format!("{} is not in the record", expected.id));
            continue;
        };
        let cells: BTreeMap<&str, &Outcome> =
            record.cells.iter().map(|cell| (cell.name.as_str(), &cell.outcome)).collect();
        for cell in &expected.cells {
            let said = format!("{} [{}]", expected.id, cell.name);
            let truth = letter(&cell.outcome);
            match cells.get(cell.name.as_str()) {
                None => passes.push(format!("{said} is not in the record")),
                Some(found) => match (truth, letter(found)) {
                    (_, 'i') => {}
                    (truth, found) if truth == found => {}
                    (_, 'A') => alarms.push(format!("{said} {}", told(found))),
                    _ => passes.push(format!("{said} {}", told(found))),
                },
            }
        }
    }
    (passes, alarms)
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Denied { evidence, control, .. } => format!("is denied ({evidence}; {control})"),
        Outcome::Allowed { evidence } => format!("is allowed ({evidence})"),
        Outcome::Waived { reason, .. } => format!("is waived ({reason})"),
        Outcome::Inconclusive { why, .. } => format!("is inconclusive ({why})"),
        Outcome::NotApplicable { why } => format!("is not applicable ({why})"),
    }
}

/// What differs between two inventories, but for objects that the fault itself replaces.
pub(super) fn leftovers(before: &[String], after: &[String], replaced: impl Fn(&str) -> bool) -> Vec<String> {
    let only_in = |these: &[String], those: &[String], sign: char| -> Vec<String> {
        let only = these.iter().filter(|object| !those.contains(object) && !replaced(object));
        only.map(|object| format!("{sign}{object}")).collect()
    };
    [only_in(after, before, '+'), only_in(before, after, '-')].concat()
}

/// The scenarios' numbers with their ids, then the letters' meaning.
pub(super) fn head(truth: &Run) -> Vec<String> {
    let mut lines: Vec<String> =
        (1..).zip(&truth.scenarios).map(|(n, record)| format!("{n:>4}  {}", record.id)).collect();
    lines.push(LEGEND.to_owned());
    let numbers: String = (1..=truth.scenarios.len()).map(|number| format!("{number:>3}")).collect();
    lines.push(format!("{:<22} {:>7} {numbers}", "fault", "took"));
    lines
}

impl Row {
    /// The line, then what is wrong with it, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let letters: String = self.letters.iter().map(|letter| format!("{letter:>3}")).collect();
        let mut lines = vec![format!("{:<22} {:>5.1} s {letters}", self.fault, self.took.as_secs_f64())];
        let mut say = |what: &str, of: &[String]| lines.extend(of.iter().map(|one| format!("    {what}: {one}")));
        say("false pass", &self.false_passes);
        say("false alarm", &self.false_alarms);
        say("leftover", &self.leftovers);
        if self.hung {
            lines.push(format!("    hang: it had not ended after {} s", self.took.as_secs()));
        }
        lines.extend(self.void.iter().map(|why| format!("    proves nothing: {why}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::record::{Cell, Record};
    use harness::scenario::{Guard, Impact, Scope, Severity};
    use rstest::rstest;

    fn outcome(letter: char) -> Outcome {
        let text = String::new;
        match letter {
            'D' => Outcome::Denied { guard: Guard::Network, evidence: "e".into(), control: "c".into() },
            'A' => Outcome::Allowed { evidence: "e".into() },
            'w' => Outcome::Waived { evidence: text(), reason: "r".into(), owner: text(), until: text() },
            'i' => Outcome::inconclusive("y"),
            _ => Outcome::NotApplicable { why: "y".into() },
        }
    }

    /// One scenario, a cell a letter.
    fn run(cells: &str) -> Run {
        let cells = (1..).zip(cells.chars()).map(|(number, letter)| Cell {
            name: format!("c{number}"),
            outcome: outcome(letter),
            elapsed_ms: 0,
            denied_after_ms: None,
            attempts: 1,
        });
        let cells: Vec<Cell> = cells.collect();
        let record = Record {
            id: "a/b".into(),
            title: String::new(),
            explanation: String::new(),
            guidance: Vec::new(),
            also: Vec::new(),
            severity: Severity::High,
            impact: Impact::Probe,
            scope: Scope::EachNamespace,
            outcome: cells[0].outcome.clone(),
            cells,
            started_ms: 0,
            elapsed_ms: 0,
        };
        Run { scenarios: vec![record], ..Run::default() }
    }

    #[rstest]
    #[case::as_before("AD", "AD", &[], &[])]
    #[case::unproved("AD", "ii", &[], &[])]
    #[case::denied_behind_an_inconclusive_one("AD", "Di", &["a/b [c1] is denied (e; c)"], &[])]
    #[case::skipped("AD", "An", &["a/b [c2] is not applicable (y)"], &[])]
    #[case::waived_by_nobody("AD", "wD", &["a/b [c1] is waived (r)"], &[])]
    #[case::absent("AD", "A", &["a/b [c2] is not in the record"], &[])]
    #[case::alarm("AD", "AA", &[], &["a/b [c2] is allowed (e)"])]
    fn cell_by_cell(#[case] truth: &str, #[case] found: &str, #[case] passes: &[&str], #[case] alarms: &[&str]) {
        let of = |expected: &[&str]| expected.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(compare(&run(truth), &run(found), |_| true), (of(passes), of(alarms)));
    }

    #[test]
    fn a_scenario_that_is_absent_is_a_false_pass() {
        let found = Run { scenarios: Vec::new(), ..run("A") };
        assert_eq!(compare(&run("A"), &found, |_| true).0, ["a/b is not in the record"]);
        assert_eq!(letters(&run("A"), &found, |_| true), ['-']);
    }

    #[test]
    fn what_was_not_asked_is_neither() {
        let found = Run { scenarios: Vec::new(), ..run("A") };
        assert_eq!(compare(&run("A"), &found, |_| false), (Vec::new(), Vec::new()));
        assert_eq!(letters(&run("A"), &found, |_| false), ['.']);
    }

    #[test]
    fn what_is_new_and_what_is_gone_are_leftovers() {
        let of = |objects: &[&str]| objects.iter().map(ToString::to_string).collect::<Vec<_>>();
        let found =
            leftovers(&of(&["a", "b", "agent-1"]), &of(&["b", "c", "agent-2"]), |object| object.starts_with("agent"));
        assert_eq!(found, ["+c", "-a"]);
    }
}
