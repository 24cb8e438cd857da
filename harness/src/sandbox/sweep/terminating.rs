//! What a namespace's own status says of its end: what is still in it, or what holds it though nothing is.
//!
//! The namespace controller deletes what is in a namespace, kind by kind, and says in conditions how far it came (Kubernetes:
//! `pkg/controller/namespace/deletion`). A kind that it cannot discover, for somebody's APIService is down, holds the namespace for good,
//! though everything that can be discovered is deleted.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition};

/// The namespace controller's finalizer: where it is gone, so is what was in the namespace.
const CONTROLLER: &str = "kubernetes";
/// The one condition that says nothing of what this cluster serves itself.
const UNDISCOVERED: &str = "NamespaceDeletionDiscoveryFailure";
/// What must have been looked for and not found.
const LOOKED_FOR: [&str; 2] = ["NamespaceContentRemaining", "NamespaceDeletionContentFailure"];
/// Whose messages are counts.
const COUNTED: [&str; 2] = ["NamespaceContentRemaining", "NamespaceFinalizersRemaining"];
/// Names in one sentence.
const NAMED: usize = 3;

/// Who keeps a namespace that was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// What is in it; or nobody has said that nothing is.
    Content,
    /// Nobody that its status names: it is on its way, as a rule.
    Nobody,
    /// Somebody else, though nothing is in it that its conditions know of.
    Others,
}

/// How far the end of a namespace has come.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) keeper: Keeper,
    /// In the words of its own conditions.
    pub(super) why: String,
    /// What changes where it comes further: what a failure says of itself may change each time.
    pub(super) stage: String,
}

/// Reads a namespace's finalizers and conditions.
pub(super) fn end(namespace: &Namespace) -> End {
    let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let (raised, lowered): (Vec<_>, Vec<_>) = conditions.partition(|condition| condition.status != "False");
    let (keeper, why) = kept(namespace, &raised, &lowered);
    let raised = raised.iter().map(|of| {
        let count = of.message.as_deref().filter(|_| COUNTED.contains(&of.type_.as_str()));
        format!("{} {}", of.type_, count.unwrap_or_default())
    });
    End { keeper, why, stage: format!("{keeper:?} {} {}", lowered.len(), raised.collect::<Vec<_>>().join(" ")) }
}

fn kept(namespace: &Namespace, raised: &[&NamespaceCondition], lowered: &[&NamespaceCondition]) -> (Keeper, String) {
    if namespace.metadata.deletion_timestamp.is_none() {
        return (Keeper::Content, "not deleted".into());
    }
    let others = namespace.metadata.finalizers.iter().flatten();
    let finalizers = namespace.spec.iter().flat_map(|spec| spec.finalizers.iter().flatten()).chain(others);
    let finalizers: Vec<&str> = finalizers.map(String::as_str).collect();
    if !finalizers.contains(&CONTROLLER) {
        return (Keeper::Others, format!("finalizers: {}", finalizers.join(", ")));
    }
    let words = raised.iter().map(|of| format!("{}: {}", of.type_, of.message.as_deref().unwrap_or_default()));
    let words = words.collect::<Vec<_>>().join("; ");
    let looked_for = |type_: &&str| lowered.iter().any(|of| of.type_ == **type_);
    if !LOOKED_FOR.iter().all(looked_for) || raised.iter().any(|of| of.type_ != UNDISCOVERED) {
        let words = if words.is_empty() { "no condition says yet what is in it".into() } else { words };
        return (Keeper::Content, words);
    }
    if words.is_empty() {
        return (Keeper::Nobody, format!("finalizer {CONTROLLER}, and no condition that says why"));
    }
    (Keeper::Others, words)
}

/// Namespaces that are Terminating, by what holds them.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<String, BTreeSet<String>>);

impl Held {
    pub(super) fn add(&mut self, namespace: String, by: String) {
        self.0.entry(by).or_default().insert(namespace);
    }

    pub(super) fn extend(&mut self, others: Self) {
        for (by, namespaces) in others.0 {
            self.0.entry(by).or_default().extend(namespaces);
        }
    }

    /// One sentence on all of them; `None` where there are none.
    pub(super) fn warning(&self) -> Option<String> {
        let held = self.to_string();
        (!held.is_empty()).then(|| {
            format!(
                "nothing of a run is left but namespaces that stay Terminating, {held}; they go by themselves once that is mended (an APIService that does not answer: `kubectl get apiservices` shows it)"
            )
        })
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.0.iter().map(|(by, namespaces)| format!("{} ({by})", some(namespaces)));
        f.write_str(&told.collect::<Vec<_>>().join(", "))
    }
}

/// The first few, and how many more.
pub(super) fn some(names: &BTreeSet<String>) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    let more = names.len() - first.len();
    format!("{}{}", first.join(", "), if more == 0 { String::new() } else { format!(" and {more} more") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    const DOWN: &str = "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: nowhere.example/v1: stale GroupVersion discovery: nowhere.example/v1";
    const LEFT: &str = "Some resources are remaining: pods. has 1 resource instances";

    /// As the namespace controller of Kubernetes 1.34 writes them: all five, or none.
    fn conditions(raised: &[(&str, &str)]) -> Value {
        let types = [
            "NamespaceDeletionDiscoveryFailure",
            "NamespaceDeletionGroupVersionParsingFailure",
            "NamespaceDeletionContentFailure",
            "NamespaceContentRemaining",
            "NamespaceFinalizersRemaining",
        ];
        let condition = |type_: &str| match raised.iter().find(|(raised, _)| *raised == type_) {
            Some((_, message)) => json!({ "type": type_, "status": "True", "message": message }),
            None => json!({ "type": type_, "status": "False", "message": "All content successfully removed" }),
        };
        types.map(condition).to_vec().into()
    }

    fn namespace(finalizers: &[&str], conditions: Value) -> Namespace {
        serde_json::from_value(json!({
            "metadata": { "name": "n", "deletionTimestamp": "2026-11-26T19:00:00Z" },
            "spec": { "finalizers": finalizers },
            "status": { "phase": "Terminating", "conditions": conditions },
        }))
        .unwrap()
    }

    const NONE_YET: &str = "no condition says yet what is in it";

    #[rstest]
    #[case::not_looked_at(json!(null), Keeper::Content, NONE_YET)]
    #[case::content(conditions(&[("NamespaceContentRemaining", LEFT)]), Keeper::Content, "NamespaceContentRemaining: Some resources are remaining: pods. has 1 resource instances")]
    #[case::content_with_finalizers(conditions(&[("NamespaceFinalizersRemaining", "a/b in 1 resource instances")]), Keeper::Content, "NamespaceFinalizersRemaining: a/b in 1 resource instances")]
    #[case::content_that_is_not_deleted(conditions(&[("NamespaceDeletionContentFailure", "no")]), Keeper::Content, "NamespaceDeletionContentFailure: no")]
    #[case::versions_that_are_not_understood(conditions(&[("NamespaceDeletionGroupVersionParsingFailure", "no")]), Keeper::Content, "NamespaceDeletionGroupVersionParsingFailure: no")]
    #[case::discovery(conditions(&[("NamespaceDeletionDiscoveryFailure", "down")]), Keeper::Others, "NamespaceDeletionDiscoveryFailure: down")]
    #[case::discovery_and_content(conditions(&[("NamespaceDeletionDiscoveryFailure", "down"), ("NamespaceContentRemaining", "left")]), Keeper::Content, "NamespaceDeletionDiscoveryFailure: down; NamespaceContentRemaining: left")]
    #[case::discovery_before_content_was_looked_for(json!([{ "type": "NamespaceDeletionDiscoveryFailure", "status": "True", "message": "down" }]), Keeper::Content, "NamespaceDeletionDiscoveryFailure: down")]
    #[case::a_condition_that_nobody_knows(conditions(&[]).as_array().map(|all| [all.as_slice(), &[json!({ "type": "Other", "status": "True", "message": "m" })]].concat()).into(), Keeper::Content, "Other: m")]
    #[case::nothing(conditions(&[]), Keeper::Nobody, "finalizer kubernetes, and no condition that says why")]
    fn what_holds_a_namespace_is_told_in_its_conditions_words(
        #[case] conditions: Value,
        #[case] keeper: Keeper,
        #[case] why: &str,
    ) {
        let end = end(&namespace(&["kubernetes"], conditions));
        assert_eq!((end.keeper, end.why.as_str()), (keeper, why));
    }

    #[rstest]
    #[case::fewer_pods("NamespaceContentRemaining", true)]
    #[case::fewer_finalizers("NamespaceFinalizersRemaining", true)]
    #[case::a_failure_in_other_words("NamespaceDeletionContentFailure", false)]
    #[case::a_discovery_in_other_words("NamespaceDeletionDiscoveryFailure", false)]
    fn counts_are_progress_and_words_are_not(#[case] type_: &str, #[case] expected: bool) {
        let stage = |message| end(&namespace(&["kubernetes"], conditions(&[(type_, message)]))).stage;
        assert_eq!(stage("a 2") != stage("a 1"), expected);
    }

    #[test]
    fn what_the_namespace_controller_is_through_with_is_held_by_others() {
        let end = end(&namespace(&["example/keep"], json!(null)));
        assert_eq!((end.keeper, end.why.as_str()), (Keeper::Others, "finalizers: example/keep"));
    }

    #[test]
    fn what_is_not_deleted_is_not_held() {
        let mut staying = namespace(&["kubernetes"], conditions(&[]));
        staying.metadata.deletion_timestamp = None;
        let end = end(&staying);
        assert_eq!((end.keeper, end.why.as_str()), (Keeper::Content, "not deleted"));
    }

    #[test]
    fn one_sentence_tells_which_and_by_what() {
        let mut held = Held::default();
        assert_eq!(held.warning(), None);
        for name in ["a", "b", "c", "d"] {
            held.add(name.into(), format!("{UNDISCOVERED}: {DOWN}"));
        }
        let mut others = Held::default();
        others.add("e".into(), "finalizers: example/keep".into());
        held.extend(others);
        insta::assert_snapshot!(held.warning().unwrap());
    }
}
