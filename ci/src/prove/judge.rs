//! What must fail under sabotages, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::failures::Failures;
use crate::range::Sabotage;

/// What must be seen of one sabotage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The scenarios that must be allowed.
    pub(crate) flips: &'a BTreeSet<String>,
    /// What the evidence of those must say.
    pub(crate) shows: &'a [String],
}

impl<'a> Expected<'a> {
    /// As the sabotage's files have it.
    pub(crate) fn of(sabotage: &'a Sabotage) -> Self {
        Self { name: &sabotage.name, flips: &sabotage.flips, shows: &sabotage.shows }
    }
}

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The sabotage that is not seen as it must be; none where something fails that has nothing to do with any.
    pub(super) of: Option<String>,
    /// What is wrong.
    pub(super) what: String,
}

/// By what they are about: a scenario, or words that nothing shows.
pub(crate) type Complaints = BTreeMap<String, Complaint>;

/// All of them in one sentence.
pub(crate) fn sentence(complaints: &Complaints) -> String {
    complaints.values().map(|complaint| complaint.what.as_str()).collect::<Vec<_>>().join(", ")
}

/// Holds what was `found` against the sum of what is `expected`; each one's words must be shown by its own scenarios.
pub(crate) fn judge(expected: &[Expected], found: &Failures) -> Complaints {
    let mut complaints = Complaints::new();
    let mut complain = |about: String, of: Option<&str>, what: String| {
        complaints.insert(about, Complaint { of: of.map(str::to_owned), what });
    };
    for Expected { name, flips, shows } in expected {
        for id in *flips {
            match found.get(id) {
                Some(outcome) if outcome.starts_with("allowed") => {}
                Some(outcome) => complain(id.clone(), Some(name), format!("{id} should be allowed and is {outcome}")),
                None => complain(id.clone(), Some(name), format!("{id} passes all the same")),
            }
        }
        let shown = |words: &str| flips.iter().any(|id| found.get(id).is_some_and(|outcome| outcome.contains(words)));
        for words in shows.iter().filter(|words| !shown(words)) {
            complain(format!("{name}: {words}"), Some(name), format!("nothing shows `{words}`"));
        }
    }
    for (id, outcome) in found.iter().filter(|(id, _)| !expected.iter().any(|one| one.flips.contains(*id))) {
        complain(id.clone(), None, format!("{id} has nothing to do with it and is {outcome}"));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn found(found: &[(&str, &str)]) -> Failures {
        found.iter().map(|(id, outcome)| (id.to_string(), outcome.to_string())).collect()
    }

    #[rstest]
    #[case::seen(&[("a", "allowed (x)")], "")]
    #[case::overlooked(&[], "a passes all the same, nothing shows `(x)`")]
    #[case::unclear(&[("a", "inconclusive (x)")], "a should be allowed and is inconclusive (x)")]
    #[case::too_wide(&[("a", "allowed (x)"), ("b", "allowed (y)")], "b has nothing to do with it and is allowed (y)")]
    #[case::silent(&[("a", "allowed")], "nothing shows `(x)`")]
    fn exactly_the_scenarios_it_should(#[case] failures: &[(&str, &str)], #[case] expected: &str) {
        let flips = ["a".to_owned()].into();
        let one = Expected { name: "one", flips: &flips, shows: &["(x)".to_owned()] };
        assert_eq!(sentence(&judge(&[one], &found(failures))), expected);
    }

    #[rstest]
    #[case::each_by_its_own_words(&[("a", "allowed (x)"), ("b", "allowed (y)"), ("c", "allowed")], &[])]
    #[case::one_in_the_words_of_the_other(&[("a", "allowed (y)"), ("b", "allowed (x)"), ("c", "allowed")], &["one", "two"])]
    #[case::one_is_overlooked(&[("a", "allowed (x)"), ("b", "allowed (y)")], &["two"])]
    #[case::something_else(&[("a", "allowed (x)"), ("b", "allowed (y)"), ("c", "allowed"), ("d", "inconclusive (z)")], &["nobody"])]
    fn the_sum_of_what_each_must_show(#[case] failures: &[(&str, &str)], #[case] of: &[&str]) {
        let (a, bc) = (["a".to_owned()].into(), ["b".to_owned(), "c".to_owned()].into());
        let one = Expected { name: "one", flips: &a, shows: &["(x)".to_owned()] };
        let two = Expected { name: "two", flips: &bc, shows: &["(y)".to_owned()] };
        let complaints = judge(&[one, two], &found(failures));
        let found: Vec<&str> =
            complaints.values().map(|complaint| complaint.of.as_deref().unwrap_or("nobody")).collect();
        assert_eq!(found, of);
    }
}
