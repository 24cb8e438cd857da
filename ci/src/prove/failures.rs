//! What a run's record says of the scenarios that were not denied.

use std::collections::{BTreeMap, BTreeSet};

use harness::record::{Outcome, Run};

/// Scenarios that are not passes, with their outcome's word.
pub(crate) type Failures = BTreeMap<String, String>;

/// ... on a range: those that are proved `elsewhere` must not be applicable here, and anything else of them is wrong.
pub(super) fn failures_here(run: &Run, elsewhere: &BTreeSet<String>) -> Failures {
    let mut found = failures(run);
    for id in elsewhere {
        match run.scenarios.iter().find(|record| record.id == *id).map(|record| &record.outcome) {
            Some(Outcome::NotApplicable { .. }) => drop(found.remove(id)),
            Some(Outcome::Denied { .. }) => drop(found.insert(id.clone(), "denied, where it cannot arise".into())),
            Some(_) => {}
            None => drop(found.insert(id.clone(), "not in the record".into())),
        }
    }
    found
}

/// Scenarios that are not passes.
pub(crate) fn failures(run: &Run) -> Failures {
    let words = run.scenarios.iter().filter_map(|record| match &record.outcome {
        Outcome::Denied { .. } => None,
        Outcome::Allowed { evidence } => Some((record.id.clone(), format!("allowed ({evidence})"))),
        Outcome::Waived { reason, .. } => Some((record.id.clone(), format!("waived ({reason})"))),
        Outcome::Inconclusive { why, .. } => Some((record.id.clone(), format!("inconclusive ({why})"))),
        Outcome::NotApplicable { why } => Some((record.id.clone(), format!("not applicable ({why})"))),
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::record::Record;
    use harness::scenario::{Guard, Impact, Scope, Severity};
    use rstest::rstest;

    fn run(records: Vec<(&str, Outcome)>) -> Run {
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
        Run { scenarios: records.into_iter().map(record).collect(), ..Run::default() }
    }

    #[rstest]
    #[case::not_applicable("n", None)]
    #[case::denied("D", Some("denied, where it cannot arise"))]
    #[case::inconclusive("i", Some("inconclusive (y)"))]
    #[case::absent("", Some("not in the record"))]
    fn what_is_proved_elsewhere_must_not_arise_here(#[case] outcome: &str, #[case] expected: Option<&str>) {
        let outcome = match outcome {
            "n" => Outcome::NotApplicable { why: "y".into() },
            "D" => Outcome::Denied { guard: Guard::Psp, evidence: "e".into(), control: "c".into() },
            _ => Outcome::inconclusive("y"),
        };
        // Another that is not applicable is none of those.
        let mut records = vec![("a/other", Outcome::NotApplicable { why: "y".into() })];
        if expected != Some("not in the record") {
            records.push(("a/elsewhere", outcome));
        }
        let found = failures_here(&run(records), &["a/elsewhere".to_owned()].into());
        assert_eq!(found.get("a/elsewhere").map(String::as_str), expected);
        assert_eq!(found["a/other"], "not applicable (y)");
    }
}
