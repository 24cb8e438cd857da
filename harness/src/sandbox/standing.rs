//! Which objects are a run's. A label is anybody's to set, and what is a run's own is looked at by nobody: so it must be as a run makes it, and
//! its time must be one that a run has.
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{EXPIRES, LIFETIME, RUN};

/// How far other machines' clocks may be ahead of this one's.
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);

/// Which run the object is of, where it is one's: another one's that goes on, or one's that has expired, which the next sweep takes away.
pub(crate) fn run_of(metadata: &ObjectMeta) -> Option<String> {
    of(metadata, Timestamp::now())
}

fn of(metadata: &ObjectMeta, now: Timestamp) -> Option<String> {
    let run = metadata.labels.as_ref()?.get(RUN)?;
    let expires: Timestamp = metadata.annotations.as_ref()?.get(EXPIRES)?.parse().ok()?;
    let named = [&metadata.name, &metadata.namespace].into_iter().flatten().any(|name| is_named_by(name, run));
    if !named || expires.duration_since(now) > LIFETIME + CLOCKS {
        return None;
    }
    Some(match expires < now {
        true => format!("run {run}'s, which has expired"),
        false => format!("run {run}'s, until {expires}"),
    })
}

/// `oke-conformance-RUN`, alone or with something behind it.
fn is_named_by(name: &str, run: &str) -> bool {
    let rest = name.strip_prefix("oke-conformance-").and_then(|name| name.strip_prefix(run));
    !run.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::at_work(Some("7a"), "oke-conformance-7a", None, Some("2026-11-26T12:20:00Z"), true)]
    #[case::one_of_several(Some("7a"), "oke-conformance-7a-host", None, Some("2026-11-26T12:20:00Z"), true)]
    #[case::expired(Some("7a"), "oke-conformance-7a", None, Some("2026-11-25T12:00:00Z"), true)]
    #[case::a_pod_in_its_namespace(
        Some("7a"),
        "a",
        Some("oke-conformance-7a-crowd-0-x"),
        Some("2026-11-26T12:20:00Z"),
        true
    )]
    #[case::a_name_of_ones_own(Some("x"), "hole", None, Some("2026-11-26T12:20:00Z"), false)]
    #[case::another_runs_name(Some("7b"), "oke-conformance-7a", None, Some("2026-11-26T12:20:00Z"), false)]
    #[case::for_years(Some("7a"), "oke-conformance-7a", None, Some("2036-11-26T12:00:00Z"), false)]
    #[case::for_ever(Some("7a"), "oke-conformance-7a", None, None, false)]
    #[case::no_label(None, "oke-conformance-7a", None, Some("2026-11-26T12:20:00Z"), false)]
    #[case::an_empty_label(Some(""), "oke-conformance-", None, Some("2026-11-26T12:20:00Z"), false)]
    fn whose_it_is(
        #[case] run: Option<&str>,
        #[case] name: &str,
        #[case] namespace: Option<&str>,
        #[case] expires: Option<&str>,
        #[case] expected: bool,
    ) {
        let mut metadata = json!({ "name": name, "namespace": namespace });
        if let Some(run) = run {
            metadata["labels"] = json!({ RUN: run });
        }
        if let Some(expires) = expires {
            metadata["annotations"] = json!({ EXPIRES: expires });
        }
        let metadata: ObjectMeta = serde_json::from_value(metadata).unwrap();
        assert_eq!(of(&metadata, "2026-11-26T12:00:00Z".parse().unwrap()).is_some(), expected);
    }
}
