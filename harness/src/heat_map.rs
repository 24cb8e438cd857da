//! Namespaces by scenarios, at one glance: where each namespace stands in what is attempted in every one of them.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::outcome::{Outcome, Record};
use crate::words::Scope;

/// A word for each namespace and scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Ids of the scenarios that are repeated for each namespace: the columns, in the catalogue's order.
    pub scenarios: Vec<String>,
    /// The rows, by namespace: a word for each column.
    pub namespaces: BTreeMap<String, Vec<Heat>>,
}

/// What became of one scenario in one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heat {
    /// Refused as it must be.
    Denied,
    /// It worked.
    Allowed,
    /// It worked, and somebody answers for that.
    Waived,
    /// Nothing was proved, acknowledged or not.
    Inconclusive,
    /// The question does not arise, or was not asked.
    NotApplicable,
}

impl HeatMap {
    /// The map of a run's records.
    pub fn of(records: &[Record]) -> Self {
        let columns: Vec<&Record> = records.iter().filter(|record| record.scope == Scope::EachNamespace).collect();
        let mut namespaces: BTreeMap<String, Vec<Heat>> = BTreeMap::new();
        for (column, record) in columns.iter().enumerate() {
            for cell in &record.cells {
                let row =
                    namespaces.entry(cell.name.clone()).or_insert_with(|| vec![Heat::NotApplicable; columns.len()]);
                row[column] = Heat::of(&cell.outcome);
            }
        }
        Self { scenarios: columns.iter().map(|record| record.id.clone()).collect(), namespaces }
    }
}

impl Heat {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Denied { .. } => Self::Denied,
            Outcome::Allowed { .. } => Self::Allowed,
            Outcome::Waived { .. } => Self::Waived,
            Outcome::Inconclusive { .. } => Self::Inconclusive,
            Outcome::NotApplicable { .. } => Self::NotApplicable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::outcome::Cell;
    use crate::words::{Impact, Severity};

    fn record(id: &str, scope: Scope, cells: &[(&str, Outcome)]) -> Record {
        let cells = cells.iter().map(|(name, outcome)| Cell {
            name: (*name).into(),
            outcome: outcome.clone(),
            elapsed_ms: 0,
            denied_after_ms: None,
            attempts: 1,
        });
        Record {
            id: id.into(),
            title: String::new(),
            explanation: String::new(),
            guidance: Vec::new(),
            also: Vec::new(),
            severity: Severity::Low,
            impact: Impact::DryRun,
            scope,
            outcome: Outcome::NotApplicable { why: String::new() },
            cells: cells.collect(),
            started_ms: 0,
            elapsed_ms: 0,
        }
    }

    #[test]
    fn a_row_for_each_namespace_and_a_column_for_each_scenario_that_is_repeated_there() {
        let allowed = Outcome::Allowed { evidence: "e".into() };
        let unclear = Outcome::inconclusive("w");
        let map = HeatMap::of(&[
            record("c/one", Scope::EachNamespace, &[("a", allowed.clone()), ("b", unclear.clone())]),
            record("c/pairs", Scope::EachPair, &[("a -> b", allowed)]),
            record("c/two", Scope::EachNamespace, &[("b", unclear)]),
        ]);
        let expected = serde_json::json!({
            "scenarios": ["c/one", "c/two"],
            "namespaces": { "a": ["allowed", "not-applicable"], "b": ["inconclusive", "inconclusive"] },
        });
        assert_eq!(serde_json::to_value(map).unwrap(), expected);
    }
}
