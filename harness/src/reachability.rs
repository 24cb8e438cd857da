//! Who reaches whom: namespaces by namespaces, for each scenario that tries every ordered pair of them.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::heat_map::Heat;
use crate::record::outcome::{PAIR, Record};
use crate::words::Scope;

/// A word for each ordered pair of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachability {
    /// The scenario that tried.
    pub scenario: String,
    /// The columns: to whom.
    pub to: Vec<String>,
    /// The rows, from whom: a word for each column.
    pub from: BTreeMap<String, Vec<Heat>>,
}

impl Reachability {
    /// The matrices of a run's records.
    pub fn of(records: &[Record]) -> Vec<Self> {
        records.iter().filter(|record| record.scope == Scope::EachPair).map(Self::of_one).collect()
    }

    fn of_one(record: &Record) -> Self {
        let pairs = record.cells.iter().filter_map(|cell| Some((cell.name.split_once(PAIR)?, Heat::of(&cell.outcome))));
        let pairs: Vec<_> = pairs.collect();
        let to: BTreeSet<&str> = pairs.iter().map(|((_, to), _)| *to).collect();
        let mut from: BTreeMap<String, Vec<Heat>> = BTreeMap::new();
        for ((row, column), heat) in &pairs {
            let row = from.entry((*row).to_owned()).or_insert_with(|| vec![Heat::NotApplicable; to.len()]);
            if let Some(place) = to.iter().position(|name| name == column) {
                row[place] = *heat;
            }
        }
        Self { scenario: record.id.clone(), to: to.into_iter().map(str::to_owned).collect(), from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::outcome::{Cell, Outcome};
    use crate::words::{Impact, Severity};

    #[test]
    fn a_namespace_is_no_pair_with_itself() {
        let (open, shut) =
            (Outcome::Allowed { evidence: String::new() }, Outcome::NotApplicable { why: String::new() });
        let cell = |name: &str, outcome: &Outcome| Cell {
            name: name.into(),
            outcome: outcome.clone(),
            elapsed_ms: 0,
            denied_after_ms: None,
            attempts: 1,
        };
        let record = Record {
            id: "network/isolated".into(),
            title: String::new(),
            explanation: String::new(),
            guidance: Vec::new(),
            also: Vec::new(),
            severity: Severity::High,
            impact: Impact::Probe,
            scope: Scope::EachPair,
            outcome: open.clone(),
            cells: vec![cell("b -> a", &open), cell("a -> b", &shut)],
            started_ms: 0,
            elapsed_ms: 0,
        };
        let matrix = &Reachability::of(&[record])[0];
        assert_eq!(matrix.to, ["a", "b"]);
        assert_eq!(matrix.from["a"], [Heat::NotApplicable, Heat::NotApplicable]);
        assert_eq!(matrix.from["b"], [Heat::Allowed, Heat::NotApplicable]);
    }
}
