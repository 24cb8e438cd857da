//! What an admitted object would be stored as. A dry run answers with the object after every mutation: what somebody has made harmless on its way in
//! was not admitted as it was asked for, and neither was what the API server has dropped.
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// One place in which a forbidden object differs from the one that is admitted.
#[derive(Debug, PartialEq)]
struct Difference<'a> {
    /// The container it is in, by its list and its name; none where it is the pod's own, or no pod's.
    container: Option<(&'a str, &'a str)>,
    /// Keys from there.
    path: Vec<&'a str>,
    /// What stands there; nothing where it was taken away.
    value: Option<&'a Value>,
    /// What stands there in the object that is admitted.
    admitted: Option<&'a Value>,
}

/// The lists of a pod whose items have names: others put items of their own before ours.
pub(super) const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// What would be stored instead of what makes `sent` differ from `admitted`, where nothing of that would be; `None` where any of it would.
/// `about` is the field that it is about, from a container or a pod's spec on; everything that differs where it is empty.
pub(super) fn harmless(sent: &Value, admitted: &Value, about: &str, came_back: &Value) -> Option<String> {
    // Whatever else it is, it is not what was asked for.
    if !["Pod", "Service"].contains(&came_back["kind"].as_str()?) {
        return None;
    }
    let mut all = Vec::new();
    compare(None, &[], sent, admitted, &mut all);
    // A slash within a key is escaped.
    let about: Vec<String> = about.split('/').filter(|key| !key.is_empty()).map(|key| key.replace("~1", "/")).collect();
    all.retain(|difference| {
        let path = difference.path.strip_prefix(&["spec"]).unwrap_or(&difference.path);
        path.iter().zip(&about).all(|(a, b)| a == b)
    });
    let told: Option<Vec<String>> = all.iter().map(|difference| difference.undone(came_back)).collect();
    told.and_then(|told| told.into_iter().next())
}

fn compare<'a>(
    container: Option<(&'a str, &'a str)>,
    path: &[&'a str],
    sent: &'a Value,
    admitted: &'a Value,
    found: &mut Vec<Difference<'a>>,
) {
    let (Some(ours), Some(theirs)) = (keys(sent), keys(admitted)) else {
        if sent != admitted {
            let value = (!sent.is_null()).then_some(sent);
            let admitted = (!admitted.is_null()).then_some(admitted);
            found.push(Difference { container, path: path.to_vec(), value, admitted });
        }
        return;
    };
    for key in ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key))) {
        let path = [path, &[key.as_str()]].concat();
        let (ours, theirs) = (ours.get(key).unwrap_or(&Value::Null), theirs.get(key).unwrap_or(&Value::Null));
        match (CONTAINERS.iter().find(|list| path == ["spec", **list]), ours.as_array()) {
            (Some(list), Some(ours)) => {
                for one in ours {
                    let name = one["name"].as_str().unwrap_or_default();
                    let twin = named(theirs, name).unwrap_or(&Value::Null);
                    compare(Some((list, name)), &[], one, twin, found);
                }
            }
            _ => compare(container, &path, ours, theirs, found),
        }
    }
}

/// The keys of a side that may be missing.
fn keys(value: &Value) -> Option<&Map<String, Value>> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    if value.is_null() { Some(&NONE) } else { value.as_object() }
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array().into_iter().flatten().find(|one| one["name"] == name)
}

impl Difference<'_> {
    /// What is there in its stead, in words, where it would not be stored.
    fn undone(&self, came_back: &Value) -> Option<String> {
        let place = match self.container {
            Some((list, name)) => named(&came_back["spec"][list], name)?,
            None => came_back,
        };
        let path = self.path.join("/");
        let found = at(place, &self.path);
        // Where there is an empty list nothing is stored: what it should hold is left away.
        if let Some(value) = self.value.filter(|value| value.as_array().is_none_or(|list| !list.is_empty())) {
            return match found {
                Some(found) if drops(&path, found) => Some(format!("{path} would be {found}")),
                Some(found) if contains(found, value) => None,
                Some(found) => Some(format!("{path} would be {found}")),
                None => Some(format!("{path} would not be there")),
            };
        }
        let admitted = self.admitted?;
        let is_safe = |found: Option<&Value>| found.is_some_and(|found| as_safe(&path, found, admitted));
        // What is said neither of the pod nor of a container is said of nobody; and what a container says of itself counts.
        let below = self.path.strip_prefix(&["spec"]).unwrap_or(&self.path);
        let of_pod = at(&came_back["spec"], below);
        let kept = match self.container {
            Some(_) => is_safe(found.or(of_pod)),
            None => {
                let lists =
                    CONTAINERS.iter().flat_map(|list| came_back["spec"][*list].as_array().into_iter().flatten());
                let mut containers = lists.peekable();
                containers.peek().is_some() && containers.all(|one| is_safe(at(one, below).or(of_pod)))
            }
        };
        kept.then(|| format!("{path} would be {admitted} all the same"))
    }
}

/// Whether this is a list of all capabilities to drop: whoever has put them beside those that it named has dropped no less (PodSecurityPolicy's
/// `requiredDropCapabilities`; kubernetes, pkg/security/podsecuritypolicy/capabilities, `Generate`).
fn drops(path: &str, found: &Value) -> bool {
    path.ends_with("capabilities/drop") && contains(found, &json!(["ALL"]))
}

fn at<'a>(place: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(place, |place, key| place.get(key)).filter(|found| !found.is_null())
}

/// Whether `found` says whatever `value` says, and perhaps more: the API server fills in what is left to it.
fn contains(found: &Value, value: &Value) -> bool {
    match (found, value) {
        (Value::Object(found), Value::Object(value)) => {
            value.iter().all(|(key, value)| found.get(key).is_some_and(|found| contains(found, value)))
        }
        (Value::Array(found), Value::Array(value)) => {
            value.iter().all(|value| found.iter().any(|found| contains(found, value)))
        }
        _ => found == value,
    }
}

/// Whether `found` is as good as what is admitted. A seccomp profile of the node's own is none the worse (Pod Security Standards: `Localhost`).
fn as_safe(path: &str, found: &Value, admitted: &Value) -> bool {
    contains(found, admitted) || path.ends_with("seccompProfile/type") && found == "Localhost"
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn pod(security: Value, container: Value) -> Value {
        json!({ "kind": "Pod", "metadata": { "name": "p" }, "spec": {
            "securityContext": security,
            "containers": [
                { "name": "agent", "image": "i@sha256:0", "securityContext": container },
                { "name": "second", "image": "i@sha256:0", "securityContext": { "allowPrivilegeEscalation": false } },
            ],
        } })
    }

    fn plain() -> Value {
        pod(
            json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } }),
            json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } }),
        )
    }

    fn with(path: &str, value: Value) -> Value {
        let mut pod = plain();
        *pod.pointer_mut(path).unwrap() = value;
        pod
    }

    /// What was sent, what came back, and whether that is harmless.
    #[rstest]
    #[case::as_it_was_sent(with("/spec/containers/0/securityContext", json!({ "privileged": true })), None, false)]
    #[case::made_false(
        with("/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
        Some(plain()),
        true
    )]
    #[case::left_away(with("/spec/securityContext/seccompProfile", Value::Null), None, false)]
    #[case::put_back_in_the_pod(with("/spec/securityContext/seccompProfile", Value::Null), Some(plain()), true)]
    #[case::put_back_as_another_that_is_safe(
        with("/spec/securityContext/seccompProfile", Value::Null),
        Some(with("/spec/securityContext/seccompProfile", json!({ "type": "Localhost", "localhostProfile": "p" }))),
        true
    )]
    #[case::put_back_as_what_is_forbidden(
        with("/spec/securityContext/seccompProfile", Value::Null),
        Some(with("/spec/securityContext/seccompProfile", json!({ "type": "Unconfined" }))),
        false
    )]
    #[case::put_into_one_container_of_two(
        with("/spec/securityContext/seccompProfile", Value::Null),
        Some({
            let mut pod = with("/spec/securityContext/seccompProfile", Value::Null);
            pod["spec"]["containers"][0]["securityContext"]["seccompProfile"] = json!({ "type": "RuntimeDefault" });
            pod
        }),
        false
    )]
    #[case::put_into_every_container(
        with("/spec/securityContext/seccompProfile", Value::Null),
        Some({
            let mut pod = with("/spec/securityContext/seccompProfile", Value::Null);
            for container in [0, 1] {
                pod["spec"]["containers"][container]["securityContext"]["seccompProfile"] = json!({ "type": "RuntimeDefault" });
            }
            pod
        }),
        true
    )]
    #[case::less_is_dropped_than_must_be(
        with("/spec/containers/0/securityContext/capabilities", Value::Null),
        Some(with("/spec/containers/0/securityContext/capabilities/drop", json!(["NET_RAW"]))),
        false
    )]
    #[case::what_must_be_dropped_is_put_beside(
        with("/spec/containers/0/securityContext/capabilities/drop", json!(["NET_RAW"])),
        Some(with("/spec/containers/0/securityContext/capabilities/drop", json!(["ALL", "NET_RAW"]))),
        true
    )]
    #[case::what_must_be_dropped_is_put_where_nothing_was(
        with("/spec/containers/0/securityContext/capabilities/drop", json!([])),
        Some(plain()),
        true
    )]
    #[case::an_empty_list_is_as_good_as_none(
        with("/spec/containers/0/securityContext/capabilities/drop", json!([])),
        Some(with("/spec/containers/0/securityContext/capabilities", Value::Null)),
        false
    )]
    #[case::a_tag_becomes_a_digest(with("/spec/containers/0/image", json!("i:v1")), Some(plain()), true)]
    #[case::a_stranger_stands_before_ours(
        with("/spec/containers/0/image", json!("i:v1")),
        Some({
            let mut pod = with("/spec/containers/0/image", json!("i:v1"));
            let all = pod["spec"]["containers"].as_array_mut().unwrap();
            all.insert(0, json!({ "name": "proxy", "image": "i@sha256:0" }));
            pod
        }),
        false
    )]
    #[case::defaults_are_filled_in(
        { let mut pod = plain(); pod["spec"]["volumes"] = json!([{ "name": "v", "hostPath": { "path": "/" } }]); pod },
        Some({ let mut pod = plain(); pod["spec"]["volumes"] = json!([{ "name": "v", "hostPath": { "path": "/", "type": "" } }]); pod }),
        false
    )]
    #[case::dropped(
        { let mut pod = plain(); pod["spec"]["volumes"] = json!([{ "name": "v", "hostPath": { "path": "/" } }]); pod },
        Some(plain()),
        true
    )]
    fn what_would_be_stored_counts(#[case] sent: Value, #[case] came_back: Option<Value>, #[case] expected: bool) {
        let came_back = came_back.unwrap_or_else(|| sent.clone());
        let said = harmless(&sent, &plain(), "", &came_back);
        assert_eq!(said.is_some(), expected, "{said:?}");
    }

    /// The whole parent was left away, and the field that it is about has come back.
    #[test]
    fn what_it_is_not_about_does_not_count() {
        let sent = with("/spec/securityContext", Value::Null);
        let came_back = with("/spec/securityContext", json!({ "seccompProfile": { "type": "RuntimeDefault" } }));
        let of = |about| harmless(&sent, &plain(), about, &came_back);
        assert_eq!(
            of("securityContext/seccompProfile").unwrap(),
            r#"spec/securityContext/seccompProfile/type would be "RuntimeDefault" all the same"#
        );
        assert_eq!(of("securityContext/runAsNonRoot"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn a_service_that_loses_what_is_forbidden() {
        let plain = json!({ "kind": "Service", "spec": { "ports": [{ "port": 80 }] } });
        let sent = json!({ "kind": "Service", "spec": { "ports": [{ "port": 80 }], "externalIPs": ["192.0.2.1"] } });
        assert_eq!(harmless(&sent, &plain, "", &plain).unwrap(), "spec/externalIPs would not be there");
        assert_eq!(harmless(&sent, &plain, "", &sent), None);
    }

    #[test]
    fn what_is_no_pod_has_stored_none() {
        let sent = with("/spec/containers/0/image", json!("i:v1"));
        let status = json!({ "kind": "Status", "status": "Success" });
        assert_eq!(harmless(&sent, &plain(), "", &status), None);
    }

    #[test]
    fn what_differs_in_nothing_is_as_it_was_sent() {
        assert_eq!(harmless(&plain(), &plain(), "", &plain()), None);
    }
}
