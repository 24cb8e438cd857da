//! An object that was changed on its way in into one that contradicts itself: the API server looks at it once everybody has changed it, and takes
//! no such object. Whoever changes only what nobody has said is not in the way of whoever says it: so it is said, and asked again.
use kube::core::Status;
use serde_json::Value;

use crate::attempt::api::admission::Target;
use crate::attempt::api::stored::CONTAINERS;
use crate::cluster::api::{self, Reply};
use crate::cluster::persona::Persona;
use crate::verdict::NoVerdict;

/// What is said against two fields, one of which somebody may have put there.
struct Contradiction {
    /// In the API server's words (kubernetes v1.24.17 to v1.37.2, pkg/apis/core/validation/validation.go).
    says: &'static str,
    made: &'static str,
    /// Whether a pod says so by itself.
    is_in: fn(&Value) -> bool,
    /// Has it say the opposite.
    insist: fn(&mut Value),
}

const ALL: [Contradiction; 5] = [
    Contradiction {
        says: "cannot set `allowPrivilegeEscalation` to false and ",
        made: "allowPrivilegeEscalation would be false",
        is_in: |pod| owners(pod).any(|container| container["securityContext"]["allowPrivilegeEscalation"] == false),
        insist: insist_on_escalation,
    },
    Contradiction {
        says: "when `hostUsers` is false",
        made: "hostUsers would be false",
        is_in: |pod| pod["spec"]["hostUsers"] == false,
        insist: |pod| pod["spec"]["hostUsers"] = true.into(),
    },
    Contradiction {
        says: "`hostUsers` must be false to use `Unmasked`",
        made: "hostUsers would be true",
        is_in: |pod| pod["spec"]["hostUsers"] == true,
        insist: |pod| pod["spec"]["hostUsers"] = false.into(),
    },
    Contradiction {
        says: "hostNetwork must be true if pod contains any hostProcess containers",
        made: "hostNetwork would be false",
        is_in: |pod| pod["spec"]["hostNetwork"] == false,
        insist: |pod| pod["spec"]["hostNetwork"] = true.into(),
    },
    Contradiction {
        says: "ShareProcessNamespace and HostPID cannot both be enabled",
        made: "shareProcessNamespace would be true",
        is_in: |pod| pod["spec"]["shareProcessNamespace"] == true,
        insist: |pod| pod["spec"]["shareProcessNamespace"] = false.into(),
    },
];

/// What became of a document at last.
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) after_ms: u64,
    /// What it was made on its way in whatever it said, in words, where that is why it was not taken.
    pub(crate) made: Option<String>,
}

/// Has `author` ask for `document` at `place`, by dry run, and again where somebody else has made it contradict itself.
///
/// # Errors
/// Inconclusive where no request can be made of it.
pub(crate) async fn ask(author: &Persona, place: &Target, document: &str) -> Result<Answer, NoVerdict> {
    let mut sent = document.to_owned();
    for _ in ALL {
        let (reply, after_ms) = api::send(author, place.dry_run(&sent)?).await;
        let met = match &reply {
            Reply::Refused(status) => serde_json::from_str(&sent).ok().and_then(|sent| met(&place.whole(sent), status)),
            _ => None,
        };
        match met {
            Some(Met::Unsaid(again)) => sent = place.part(again).to_string(),
            Some(Met::Made(made)) => return Ok(Answer { reply, after_ms, made: Some(made) }),
            None => return Ok(Answer { reply, after_ms, made: None }),
        }
    }
    let (reply, after_ms) = api::send(author, place.dry_run(&sent)?).await;
    Ok(Answer { reply, after_ms, made: None })
}

/// Whose doing a contradiction is.
#[derive(Debug, PartialEq)]
enum Met {
    /// Somebody has said what the pod did not: the same pod, with the opposite said.
    Unsaid(Value),
    /// Somebody changes what it says.
    Made(String),
}

/// `None` where the pod contradicts itself as it was sent, and for every other refusal.
fn met(pod: &Value, status: &Status) -> Option<Met> {
    let contradiction = ALL.iter().find(|one| status.code == INVALID && status.message.contains(one.says))?;
    let mut again = pod.clone();
    (contradiction.insist)(&mut again);
    if again == *pod {
        let made = contradiction.made;
        return Some(Met::Made(format!("{made} whatever it says, and no such pod is taken: {}", status.message)));
    }
    (!(contradiction.is_in)(pod)).then_some(Met::Unsaid(again))
}

const INVALID: u16 = 422;

/// The containers of a pod that ask for what goes with more privileges only.
fn owners(pod: &Value) -> impl Iterator<Item = &Value> {
    CONTAINERS.iter().flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten()).filter(|one| owns(one))
}

fn insist_on_escalation(pod: &mut Value) {
    for list in CONTAINERS {
        let all = pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        all.filter(|one| owns(one)).for_each(|one| one["securityContext"]["allowPrivilegeEscalation"] = true.into());
    }
}

fn owns(container: &Value) -> bool {
    let security = &container["securityContext"];
    security["privileged"] == true || security["capabilities"]["add"].as_array().is_some_and(|added| !added.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const ESCALATION: &str = r#"Pod "p" is invalid: spec.containers[1].securityContext: Invalid value: {}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true"#;
    const USERS: &str = r#"Pod "p" is invalid: spec.HostPID: Forbidden: when `hostUsers` is false"#;

    fn status(code: u16, message: &str) -> Status {
        Status { message: message.to_owned(), ..Status::failure("", "Invalid").with_code(code) }
    }

    fn said(spec: &Value, code: u16, message: &str) -> Option<Value> {
        match met(&json!({ "spec": spec }), &status(code, message))? {
            Met::Unsaid(again) => Some(again["spec"].clone()),
            Met::Made(made) => Some(made.into()),
        }
    }

    fn containers(first: Value) -> Value {
        json!({ "containers": [{ "securityContext": first }, { "securityContext": { "allowPrivilegeEscalation": false } }] })
    }

    #[rstest]
    #[case::not_said(
        containers(json!({ "privileged": true })),
        ESCALATION,
        containers(json!({ "privileged": true, "allowPrivilegeEscalation": true }))
    )]
    #[case::not_said_of_a_capability(
        containers(json!({ "capabilities": { "add": ["SYS_ADMIN"] } })),
        ESCALATION,
        containers(json!({ "capabilities": { "add": ["SYS_ADMIN"] }, "allowPrivilegeEscalation": true }))
    )]
    #[case::nothing_said_of_users(json!({ "hostPID": true }), USERS, json!({ "hostPID": true, "hostUsers": true }))]
    fn what_was_not_said_is_said(#[case] spec: Value, #[case] message: &str, #[case] again: Value) {
        assert_eq!(said(&spec, 422, message), Some(again));
    }

    #[rstest]
    #[case(
        containers(json!({ "privileged": true, "allowPrivilegeEscalation": true })),
        ESCALATION,
        "allowPrivilegeEscalation would be false whatever it says"
    )]
    #[case(json!({ "hostPID": true, "hostUsers": true }), USERS, "hostUsers would be false whatever it says")]
    fn what_is_changed_though_it_was_said(#[case] spec: Value, #[case] message: &str, #[case] expected: &str) {
        let told = said(&spec, 422, message).unwrap();
        assert!(told.as_str().unwrap().starts_with(expected), "{told}");
    }

    #[rstest]
    #[case::as_it_was_sent(containers(json!({ "privileged": true, "allowPrivilegeEscalation": false })), 422, ESCALATION)]
    #[case::users_as_they_were_sent(json!({ "hostPID": true, "hostUsers": false }), 422, USERS)]
    #[case::a_webhooks_words(containers(json!({ "privileged": true })), 403, ESCALATION)]
    #[case::something_else(json!({ "hostPID": true }), 422, r#"Pod "p" is invalid: spec.nodeName: Forbidden: x"#)]
    fn what_nobody_else_has_done(#[case] spec: Value, #[case] code: u16, #[case] message: &str) {
        assert_eq!(said(&spec, code, message), None);
    }
}
