//! Scenarios that stand for others: what goes wrong around a run goes wrong for all attempts of a kind alike, so that one of each kind tells
//! as much as all of them. Which one is drawn from a seed: over many nights each has its turn.

use std::collections::{BTreeMap, BTreeSet};

use harness::rights::Right;
use harness::scenario::{Entry, Impact, Scope};

use crate::prove::Seed;

/// What two scenarios have in common that are attempted by the same way: the chapter, how far they go, what they are repeated for, which
/// rights it takes, and whether they start pods of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    chapter: String,
    impact: Impact,
    scope: String,
    needs: BTreeSet<Right>,
    crowded: bool,
}

impl Kind {
    fn of(entry: &Entry) -> Self {
        Self {
            chapter: entry.id.split('/').next().unwrap_or_default().to_owned(),
            impact: entry.scenario.impact,
            scope: name(entry.scenario.scope),
            needs: entry.scenario.needs.iter().copied().flatten().copied().collect(),
            crowded: entry.scenario.pods > 0,
        }
    }
}

/// Scopes have no order of their own.
fn name(scope: Scope) -> String {
    format!("{scope:?}")
}

/// One scenario of each kind among `entries`, the same for the same seed.
pub fn drawn(entries: &[Entry], seed: Seed) -> BTreeSet<String> {
    let mut kinds: BTreeMap<Kind, Vec<&str>> = BTreeMap::new();
    for entry in entries {
        kinds.entry(Kind::of(entry)).or_default().push(&entry.id);
    }
    let first = |ids: Vec<&str>| ids.into_iter().min_by_key(|id| seed.rank(id)).unwrap_or_default().to_owned();
    kinds.into_values().map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(number: u32) -> Seed {
        number.to_string().parse().unwrap()
    }

    fn all() -> Vec<Entry> {
        scenarios::all()
    }

    #[test]
    fn every_scenario_has_one_of_its_kind_to_stand_for_it() {
        let drawn = drawn(&all(), seed(1));
        let kinds: BTreeSet<Kind> = all().iter().filter(|entry| drawn.contains(&entry.id)).map(Kind::of).collect();
        assert!(all().iter().all(|entry| kinds.contains(&Kind::of(entry))));
        // No two of a kind.
        assert_eq!(kinds.len(), drawn.len());
    }

    #[test]
    fn the_standards_controls_are_one_kind_and_what_is_tried_in_a_pod_is_another() {
        let kind = |id: &str| Kind::of(all().iter().find(|entry| entry.id == id).unwrap());
        assert_eq!(kind("pod_security/privileged"), kind("pod_security/host-pid"));
        assert_ne!(kind("pod_security/privileged"), kind("pod_security/runtime-contained"));
        assert_ne!(kind("network/policy-enforced"), kind("network/node-ports-unreachable"));
    }

    #[test]
    fn each_has_its_turn_and_the_same_seed_gives_the_same() {
        let all = all();
        assert_eq!(drawn(&all, seed(7)), drawn(&all, seed(7)));
        let turns: BTreeSet<String> = (0..400).flat_map(|number| drawn(&all, seed(number))).collect();
        assert_eq!(turns.len(), all.len());
    }
}
