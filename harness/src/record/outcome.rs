//! What became of what was attempted: cells, and the scenarios that they are repetitions of.
use serde::{Deserialize, Serialize};

use crate::words::{Guard, Impact, Scope, Severity};

/// Between the names of a pair's namespaces in the name of its cell.
pub(crate) const PAIR: &str = " -> ";
/// Between a namespace and a node in the name of their cell.
pub(crate) const ON: &str = " on ";

/// What became of an attempt, of a cell, or of a scenario (its worst cell).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The forbidden thing was refused by an expected guard while the control worked: a pass.
    Denied {
        /// Who said no.
        guard: Guard,
        /// What exactly was said: the API's message, the errno, the absence.
        evidence: String,
        /// What proves that the attempt could have worked.
        control: String,
    },
    /// The forbidden thing worked: a failure.
    Allowed {
        /// What was reached, created or read.
        evidence: String,
    },
    /// The forbidden thing worked, and somebody answers for that until a day: skipped.
    Waived {
        /// What was reached, created or read all the same.
        evidence: String,
        /// Why it is allowed for now.
        reason: String,
        /// Who answers for it.
        owner: String,
        /// The last day, as `2027-01-31`.
        until: String,
    },
    /// Nothing was proved either way: an error, never a pass.
    Inconclusive {
        /// Why nothing was proved, and what to do.
        why: String,
        /// Who answers for that until a day: skipped then, and no pass either.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acknowledged: Option<Acknowledged>,
    },
    /// The question does not arise on this cluster: skipped.
    NotApplicable {
        /// Why not.
        why: String,
    },
}

/// Somebody's word that it is known why nothing is proved. A field and no outcome of its own: whoever does not know it reads
/// inconclusive, which it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Why nothing can be proved for now.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day, as `2027-01-31`.
    pub until: String,
}

impl Outcome {
    /// Nothing was proved, and nobody has said anything of that.
    pub fn inconclusive(why: impl Into<String>) -> Self {
        Self::Inconclusive { why: why.into(), acknowledged: None }
    }
}

/// One repetition of a scenario: a namespace, a pair, a node pool, or the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What it was tried for: `tenant-a`, `tenant-a -> tenant-b`, `tenant-a on pool-1`, `cluster`.
    pub name: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// From the start of the cell to its verdict, in milliseconds.
    pub elapsed_ms: u64,
    /// How long the denial itself took to arrive, in milliseconds; none where there was no denial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_after_ms: Option<u64>,
    /// How many forbidden things were tried for this verdict.
    #[serde(default)]
    pub attempts: usize,
}

/// What stands for cells' own names where a report says one sentence for several of them.
pub(crate) const PLACEHOLDERS: [&str; 5] = ["NAMESPACE", "OTHER-NAMESPACE", "NODE", "POOL", "POD"];

impl Cell {
    /// The names that a cell of that scope is called by, each behind what it is a name of.
    pub fn own_names(&self, scope: Scope) -> Vec<(&'static str, &str)> {
        let two = |between, first, second| match self.name.split_once(between) {
            Some((one, other)) => vec![(first, one), (second, other)],
            None => vec![(first, &*self.name)],
        };
        match scope {
            Scope::Cluster => Vec::new(),
            Scope::EachNamespace => vec![("NAMESPACE", &self.name)],
            Scope::EachNode => vec![("NODE", &self.name)],
            Scope::EachPool => vec![("POOL", &self.name)],
            Scope::EachPair => two(PAIR, "NAMESPACE", "OTHER-NAMESPACE"),
            Scope::EachNamespaceOnEachPool => two(ON, "NAMESPACE", "NODE"),
        }
    }
}

/// One scenario of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `chapter/name`: the file's path.
    pub id: String,
    /// One sentence: what must hold.
    pub title: String,
    /// The scenario file's own text: why, what is attempted, what is expected.
    pub explanation: String,
    /// Items of the guidance, as `G3.4`.
    pub guidance: Vec<String>,
    /// Other catalogues that ask for it, by number.
    pub also: Vec<String>,
    /// How much an `Allowed` matters.
    pub severity: Severity,
    /// What the attempt may do to the cluster.
    pub impact: Impact,
    /// What it was repeated for.
    pub scope: Scope,
    /// The worst cell's outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Every repetition, in a stable order.
    pub cells: Vec<Cell>,
    /// Milliseconds since the run's start at which this scenario began.
    pub started_ms: u64,
    /// From the scenario's start to its last verdict, in milliseconds.
    pub elapsed_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(text: &str) -> Outcome {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_record_from_before_acknowledgements_is_read() {
        assert_eq!(read(r#"{"outcome":"inconclusive","why":"w"}"#), Outcome::inconclusive("w"));
    }

    /// Whoever knows nothing of it reads inconclusive.
    #[test]
    fn what_is_acknowledged_is_inconclusive_in_the_record() {
        let by = Acknowledged { reason: "r".into(), owner: "o".into(), until: "2027-01-31".into() };
        let outcome = Outcome::Inconclusive { why: "w".into(), acknowledged: Some(by) };
        let text =
            r#"{"outcome":"inconclusive","why":"w","acknowledged":{"reason":"r","owner":"o","until":"2027-01-31"}}"#;
        assert_eq!(serde_json::to_string(&outcome).unwrap(), text);
        assert_eq!(read(text), outcome);
    }

    #[rstest]
    #[case(Scope::Cluster)]
    #[case(Scope::EachNamespace)]
    #[case(Scope::EachNode)]
    #[case(Scope::EachPool)]
    #[case(Scope::EachPair)]
    #[case(Scope::EachNamespaceOnEachPool)]
    fn every_kind_of_name_has_its_placeholder(#[case] scope: Scope) {
        for name in ["a", "a -> b", "a on n"] {
            let outcome = Outcome::inconclusive("w");
            let cell = Cell { name: name.into(), outcome, elapsed_ms: 0, denied_after_ms: None, attempts: 0 };
            assert!(cell.own_names(scope).iter().all(|(what, _)| PLACEHOLDERS.contains(what)));
        }
    }
}
