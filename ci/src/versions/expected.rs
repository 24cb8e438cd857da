//! What must be said on an API server without nodes: everything denied where it is hardened, everything allowed where it is open, and of each
//! scenario for which that cannot be, why.

use std::path::Path;

use anyhow::{Context, Result};
use harness::record::{Outcome, Record, Run};
use harness::scenario::Guard;
use serde::Deserialize;

/// `ci/versions/expected.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Expected {
    undecided: Vec<Undecided>,
    denied_anyway: Vec<DeniedAnyway>,
}

/// What is neither denied nor allowed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Undecided {
    /// From this minor version on.
    #[serde(default)]
    since: u32,
    /// Up to this one.
    until: Option<u32>,
    outcome: Neither,
    /// A part of the reason.
    says: String,
    scenarios: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Neither {
    Inconclusive,
    NotApplicable,
}

/// What is denied by the API server itself, whatever it is hardened with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeniedAnyway {
    guard: Guard,
    scenarios: Vec<String>,
}

impl Expected {
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not as it must be", file.display()))
    }

    /// What is wrong on a hardened API server of that minor version, a line each.
    pub(super) fn of_hardened(&self, minor: u32, run: &Run) -> Vec<String> {
        let wrong = outcomes(run).filter_map(|(id, place, outcome)| match self.undecided(minor, id) {
            Some(expected) if expected.is(outcome) => None,
            Some(expected) => Some(format!("{id}{place} is {}, and should be {}", told(outcome), expected.told())),
            None if matches!(outcome, Outcome::Denied { .. }) => None,
            None => Some(format!("{id}{place} is {}, and should be denied", told(outcome))),
        });
        wrong.chain(self.unknown(run)).collect()
    }

    /// What is wrong of those that an open one has been asked, each denied while it was hardened.
    pub(super) fn of_open(&self, run: &Run) -> Vec<String> {
        let wrong = outcomes(run).filter_map(|(id, place, outcome)| {
            let should = match (self.denied_anyway(id), outcome) {
                (Some(guard), Outcome::Denied { guard: by, .. }) if *by == guard => return None,
                (Some(guard), _) => format!("denied by {guard}"),
                (None, Outcome::Allowed { evidence }) if !in_part(evidence) => return None,
                (None, Outcome::Allowed { .. }) => "allowed in all that was tried".to_owned(),
                (None, _) => "allowed".to_owned(),
            };
            Some(format!("{id}{place} is {}, and should be {should}", told(outcome)))
        });
        wrong.collect()
    }

    fn undecided(&self, minor: u32, id: &str) -> Option<&Undecided> {
        let of_version =
            |undecided: &&Undecided| minor >= undecided.since && undecided.until.is_none_or(|last| minor <= last);
        let mut known = self.undecided.iter().filter(of_version);
        known.find(|undecided| undecided.scenarios.iter().any(|known| known == id))
    }

    fn denied_anyway(&self, id: &str) -> Option<Guard> {
        let anyway = self.denied_anyway.iter().find(|anyway| anyway.scenarios.iter().any(|known| known == id));
        anyway.map(|anyway| anyway.guard)
    }

    /// Names of scenarios that there are not.
    fn unknown<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = String> + 'a {
        let undecided = self.undecided.iter().flat_map(|undecided| &undecided.scenarios);
        let named = undecided.chain(self.denied_anyway.iter().flat_map(|anyway| &anyway.scenarios));
        named.filter(|id| run.scenarios.iter().all(|record| record.id != **id)).map(|id| format!("{id} did not run"))
    }
}

impl Undecided {
    fn is(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Inconclusive { why, .. } => self.outcome == Neither::Inconclusive && why.contains(&self.says),
            Outcome::NotApplicable { why } => self.outcome == Neither::NotApplicable && why.contains(&self.says),
            _ => false,
        }
    }

    fn told(&self) -> String {
        let outcome = match self.outcome {
            Neither::Inconclusive => "inconclusive",
            Neither::NotApplicable => "not applicable",
        };
        format!("{outcome}, for \"{}\"", self.says)
    }
}

/// Of each scenario in each of its cells, with words for the cell; as a whole where there is none.
fn outcomes(run: &Run) -> impl Iterator<Item = (&str, String, &Outcome)> {
    run.scenarios.iter().flat_map(|Record { id, cells, outcome, .. }| {
        let cells = cells.iter().map(|cell| (id.as_str(), format!(" in {}", cell.name), &cell.outcome));
        let whole = (cells.len() == 0).then(|| (id.as_str(), String::new(), outcome));
        cells.chain(whole)
    })
}

/// Whether evidence says that only some of what was tried was admitted: `4 of 48: ...`.
fn in_part(evidence: &str) -> bool {
    let words: Vec<&str> = evidence.split(' ').collect();
    let counts = words.windows(3).filter(|words| words[1] == "of").filter_map(|words| {
        let some: usize = words[0].parse().ok()?;
        Some((some, words[2].strip_suffix(':')?.parse().ok()?))
    });
    counts.into_iter().any(|(some, all): (usize, usize)| some < all)
}

/// What became of it, for the reader.
pub(super) fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Denied { guard, evidence, .. } => format!("denied by {guard} ({evidence})"),
        Outcome::Allowed { evidence } => format!("allowed ({evidence})"),
        Outcome::Waived { reason, .. } => format!("waived ({reason})"),
        Outcome::Inconclusive { why, .. } => format!("inconclusive ({why})"),
        Outcome::NotApplicable { why } => format!("not applicable ({why})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versions::data_dir;
    use harness::scenario::{Impact, Scope, Severity};
    use rstest::rstest;

    const EXPECTED: &str = r#"
        [[undecided]]
        outcome = "inconclusive"
        says = "no node"
        scenarios = ["a/node"]

        [[undecided]]
        until = 30
        outcome = "not-applicable"
        says = "too old"
        scenarios = ["a/new"]

        [[denied-anyway]]
        guard = "rbac"
        scenarios = ["a/rights"]
    "#;

    fn denied(guard: Guard) -> Outcome {
        Outcome::Denied { guard, evidence: "no".into(), control: "c".into() }
    }

    fn allowed() -> Outcome {
        Outcome::Allowed { evidence: "yes".into() }
    }

    fn not_applicable(why: &str) -> Outcome {
        Outcome::NotApplicable { why: why.into() }
    }

    fn run(of: [Outcome; 4]) -> Run {
        let record = |(id, outcome): (&str, Outcome)| Record {
            id: id.into(),
            title: String::new(),
            explanation: String::new(),
            guidance: Vec::new(),
            also: Vec::new(),
            severity: Severity::High,
            impact: Impact::DryRun,
            scope: Scope::Cluster,
            outcome,
            cells: Vec::new(),
            started_ms: 0,
            elapsed_ms: 0,
        };
        let ids = ["a/node", "a/new", "a/rights", "a/pod"];
        Run { scenarios: ids.into_iter().zip(of).map(record).collect(), ..Run::default() }
    }

    fn hardened(minor: u32) -> Run {
        let new = if minor > 30 { denied(Guard::PodSecurity) } else { not_applicable("too old") };
        run([Outcome::inconclusive("no node"), new, denied(Guard::Rbac), denied(Guard::PodSecurity)])
    }

    #[rstest]
    #[case::as_it_must_be(30, hardened(30), &[])]
    #[case::newer(31, hardened(31), &[])]
    #[case::no_longer_too_old(31, hardened(30), &["a/new is not applicable (too old), and should be denied"])]
    #[case::not_yet(30, hardened(31), &["a/new is denied by pod-security (no), and should be not applicable, for \"too old\""])]
    #[case::for_another_reason(
        30,
        run([Outcome::inconclusive("it broke"), not_applicable("too old"), denied(Guard::Rbac), allowed()]),
        &["a/node is inconclusive (it broke), and should be inconclusive, for \"no node\"", "a/pod is allowed (yes), and should be denied"]
    )]
    fn what_a_hardened_one_says(#[case] minor: u32, #[case] run: Run, #[case] wrong: &[&str]) {
        assert_eq!(toml::from_str::<Expected>(EXPECTED).unwrap().of_hardened(minor, &run), wrong);
    }

    #[rstest]
    #[case::as_it_must_be(denied(Guard::Rbac), allowed(), &[])]
    #[case::denied_all_the_same(denied(Guard::Rbac), denied(Guard::Quota), &["a/pod is denied by quota (no), and should be allowed"])]
    #[case::no_answer(
        denied(Guard::Rbac),
        Outcome::inconclusive("it broke"),
        &["a/pod is inconclusive (it broke), and should be allowed"]
    )]
    #[case::by_another(
        denied(Guard::Webhook),
        allowed(),
        &["a/rights is denied by webhook (no), and should be denied by rbac"]
    )]
    #[case::not_by_itself(allowed(), allowed(), &["a/rights is allowed (yes), and should be denied by rbac"])]
    fn what_an_open_one_says(#[case] rights: Outcome, #[case] pod: Outcome, #[case] wrong: &[&str]) {
        let mut open = run([allowed(), allowed(), rights, pod]);
        open.scenarios.drain(..2);
        assert_eq!(toml::from_str::<Expected>(EXPECTED).unwrap().of_open(&open), wrong);
    }

    #[rstest]
    #[case::all("d may have in a 48 of 48: pod: x: admitted (dry run)", false)]
    #[case::some("d may have in a 4 of 48: pod: x: admitted (dry run)", true)]
    #[case::the_one("d may have in a it: admitted (dry run)", false)]
    #[case::of_something_else("d may have in a it: 1 of 2 doors", false)]
    fn what_is_admitted_in_part(#[case] evidence: &str, #[case] expected: bool) {
        assert_eq!(in_part(evidence), expected);
    }

    #[test]
    fn what_is_written_down_is_about_scenarios_that_there_are() {
        let expected = Expected::read(&data_dir().join("expected.toml")).unwrap();
        let known: Vec<String> = scenarios::all().into_iter().map(|entry| entry.id).collect();
        let undecided = expected.undecided.iter().flat_map(|undecided| &undecided.scenarios);
        for id in undecided.chain(expected.denied_anyway.iter().flat_map(|anyway| &anyway.scenarios)) {
            assert!(known.contains(id), "{id}");
        }
    }
}
