//! The API server's `Status`: a sentence and a code, which must fit together.
use kube::core::Status;
use kube::core::response::StatusDetails;

use super::go_text::{name, quoted};
use super::{Denial, Reason, authorizer, limit_range, plugin, pod_security, policy, psp, quota, webhook};

/// How apimachinery (api/errors, NewForbidden) begins what it refuses: `pods "x" is forbidden: ...`.
pub struct Forbidden<'a> {
    /// `pods`, `deployments.apps`; nothing for what is no resource.
    pub resource: Option<&'a str>,
    /// The object's name, where one was given.
    pub name: Option<String>,
    /// What follows.
    pub reason: &'a str,
}

impl<'a> Forbidden<'a> {
    fn read(message: &'a str) -> Option<Self> {
        // What is no resource has no object to be named.
        if let Some(reason) = message.strip_prefix("forbidden: ") {
            return Some(Self { resource: None, name: None, reason });
        }
        let (resource, rest) = name(message)?;
        let rest = rest.strip_prefix(' ')?;
        let (name, rest) = match quoted(rest) {
            Some((name, rest)) => (Some(name), rest.strip_prefix(' ')?),
            None => (None, rest),
        };
        Some(Self { resource: Some(resource), name, reason: rest.strip_prefix("is forbidden: ")? })
    }

    /// Whether the details name the same object. The name in a sentence is quoted, the resource is not: a request for
    /// `/api/v1/namespaces/a/pods%20is%20forbidden:%20...` has the API server say whatever it likes.
    fn agrees_with(&self, details: &StatusDetails) -> bool {
        let resource = match (details.kind.as_str(), details.group.as_str()) {
            (kind, "") => kind.to_owned(),
            (kind, group) => format!("{kind}.{group}"),
        };
        self.resource.unwrap_or_default() == resource && self.name.as_deref().unwrap_or_default() == details.name
    }
}

impl Denial {
    /// What the API server answered, where that is a denial.
    pub fn of_status(status: &Status) -> Option<Self> {
        let details = status.details.as_ref();
        let reason = match (status.code, status.message.trim_end()) {
            // apiserver, endpoints/filters/authentication.go; policies and webhooks may answer 401 as well.
            (401, "Unauthorized") => Some(Reason::Authentication),
            _ if details.is_some_and(|details| !plain(&details.kind)) => None,
            (code, _) => {
                let fits = |forbidden: &Forbidden| details.is_some_and(|details| forbidden.agrees_with(details));
                sentence(&status.message, fits).filter(|reason| comes_with(reason, code))
            }
        };
        reason.map(Self::from)
    }
}

/// Whether an API may have such a resource; a request may name any, and the sentence then begins with it.
fn plain(resource: &str) -> bool {
    resource.is_empty() || name(resource) == Some((resource, ""))
}

/// What a sentence of the API server refuses, the code being unknown; `fits` says whether it may be about that object.
pub fn sentence(message: &str, fits: impl Fn(&Forbidden) -> bool) -> Option<Reason> {
    if let Some(reason) = webhook::refusal(message) {
        return Some(reason);
    }
    let forbidden = Forbidden::read(message).filter(fits)?;
    let rules =
        [pod_security::refusal, policy::refusal, quota::refusal, limit_range::refusal, psp::refusal, plugin::refusal];
    authorizer::refusal(&forbidden).or_else(|| rules.iter().find_map(|rule| rule(forbidden.reason)))
}

/// Whether a reason comes with a code.
fn comes_with(reason: &Reason, code: u16) -> bool {
    match reason {
        // apiserver, admission/plugin/policy/validating/policy_decision.go: 422 unless the policy says otherwise.
        Reason::AdmissionPolicy { .. } => matches!(code, 401 | 403 | 413 | 422),
        // A webhook chooses its own code (400 where it chooses none), and many say 500, 429 or 409 of themselves when they
        // could not judge: those say "not now". A 404 is about some object that is not there.
        Reason::Webhook { .. } => matches!(code, 400 | 401 | 403 | 405 | 406 | 422),
        _ => code == 403,
    }
}

/// What no range says of itself, or no longer; the rest is recorded in `harness/tests/denials`.
#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn details(kind: &str, group: &str, name: &str) -> StatusDetails {
        serde_json::from_value(serde_json::json!({ "kind": kind, "group": group, "name": name })).unwrap()
    }

    fn of(code: u16, message: &str) -> Option<Denial> {
        let mut status = Status::failure(message, "");
        status.code = code;
        // As the API server does, whatever is in the sentence.
        let forbidden = Forbidden::read(message);
        let resource = forbidden.as_ref().and_then(|forbidden| forbidden.resource).unwrap_or_default();
        let name = forbidden.and_then(|forbidden| forbidden.name).unwrap_or_default();
        status.details = Some(details(resource, "", &name));
        Denial::of_status(&status)
    }

    #[rstest]
    #[case::psp(
        r#"pods "p" is forbidden: PodSecurityPolicy: unable to admit pod: [spec.containers[0].securityContext.privileged: Invalid value: true: Privileged containers are not allowed]"#,
        "no pod security policy admits the pod: spec.containers[0].securityContext.privileged: Invalid value: true: Privileged containers are not allowed"
    )]
    #[case::psp_of_several(
        r#"pods "oke-conformance-356d3b1401" is forbidden: PodSecurityPolicy: unable to admit pod: [pod.metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: Forbidden: seccomp may not be set spec.containers[0].securityContext.privileged: Invalid value: true: Privileged containers are not allowed]"#,
        "no pod security policy admits the pod: pod.metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: Forbidden: seccomp may not be set spec.containers[0].securityContext.privileged: Invalid value: true: Privileged containers are not allowed"
    )]
    #[case::psp_without_use(
        r#"pods "oke-conformance-356d3b1401" is forbidden: PodSecurityPolicy: unable to admit pod: []"#,
        "no pod security policy may be used for the pod"
    )]
    #[case::old_psp(
        r#"pods "p" is forbidden: unable to validate against any pod security policy: []"#,
        "no pod security policy may be used for the pod"
    )]
    #[case::quota_missing(
        r#"pods "p" is forbidden: insufficient quota to consume: pods,requests.nvidia.com/gpu"#,
        "no quota grants pods, requests.nvidia.com/gpu"
    )]
    #[case::authorizer_that_explains(
        r#"secrets "s" is forbidden: User "system:node:n" cannot get resource "secrets" in API group "" in the namespace "a": no relationship found between node 'n' and this object"#,
        "system:node:n may not get secrets s in namespace a"
    )]
    #[case::node_restriction(
        r#"pods "p" is forbidden: node "n" can only create pods with spec.nodeName set to itself"#,
        r#"NodeRestriction refuses: node "n" can only create pods with spec.nodeName set to itself"#
    )]
    #[case::image_policy(
        r#"pods "p" is forbidden: image policy webhook backend denied one or more images: violates PodSecurity "restricted:latest": x"#,
        r#"ImagePolicyWebhook refuses: image policy webhook backend denied one or more images: violates PodSecurity "restricted:latest": x"#
    )]
    #[case::external_ips(
        r#"services "s" is forbidden: Use of external IPs is denied by admission control"#,
        "DenyServiceExternalIPs refuses: Use of external IPs is denied by admission control"
    )]
    #[case::policy_unbound(
        r#"pods "p" is forbidden: ValidatingAdmissionPolicy 'x' denied request: no"#,
        "policy x denies: no"
    )]
    fn refused(#[case] message: &str, #[case] expected: &str) {
        assert_eq!(of(403, message).unwrap().reason.to_string(), expected);
    }

    #[rstest]
    #[case::webhook_without_dry_run(400, r#"admission webhook "v.example" does not support dry run"#)]
    #[case::overloaded(429, "too many requests, please try again later")]
    #[case::quota_not_counted_yet(403, r#"pods "p" is forbidden: status unknown for quota: q, resources: pods"#)]
    #[case::policy_in_trouble(
        422,
        r#"pods "p" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'y' denied request: expression 'object.a' resulted in error: no such key: a"#
    )]
    #[case::policy_unconfigured(
        422,
        r#"pods "p" is forbidden: ValidatingAdmissionPolicy 'x' denied request: failed to configure binding: no params found"#
    )]
    #[case::posing_name(403, r#"pods "p\" is forbidden: exceeded quota: y" is forbidden: oddity"#)]
    #[case::posing_value(
        422,
        r#"Pod "p" is invalid: spec.x: Invalid value: "a is forbidden: ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no": bad"#
    )]
    #[case::posing_user(403, r#"forbidden: User "a\" cannot get path \"/x\"" likes path "/x""#)]
    #[case::unknown_standard(403, r#"pods "p" is forbidden: violates PodSecurity "lax:latest": x"#)]
    #[case::empty(403, "")]
    #[case::empty_401(401, "")]
    fn nobody_that_is_known(#[case] code: u16, #[case] message: &str) {
        assert_eq!(of(code, message), None);
    }

    #[rstest]
    #[case::other_resource("secrets", "", "p")]
    #[case::other_group("pods", "metrics.k8s.io", "p")]
    #[case::other_name("pods", "", "q")]
    #[case::nothing("", "", "")]
    fn details_that_disagree(#[case] kind: &str, #[case] group: &str, #[case] name: &str) {
        let message = r#"pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#;
        let mut status = Status::failure(message, "Forbidden");
        status.code = 403;
        assert_eq!(Denial::of_status(&status), None);
        status.details = Some(details(kind, group, name));
        assert_eq!(Denial::of_status(&status), None);
    }
}
