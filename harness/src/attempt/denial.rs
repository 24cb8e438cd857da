//! Whose refusal an API answer is.
//!
//! The messages are the API server's own; each rule names the code that writes it. What no rule knows is no denial: a bad
//! argument (422), a full server (429, 5xx) and a webhook that could not be called all look like a "no" and prove nothing.
use kube::core::Status;

use crate::scenario::Guard;

/// Names the layer that refused, or nothing where the answer is not a denial that is known.
pub fn guard_of(status: &Status) -> Option<Guard> {
    let message = status.message.as_str();
    // A webhook chooses its own code; the API server writes the sentence (apiserver, admission/plugin/webhook/errors).
    if message.starts_with("admission webhook \"") && message.contains("\" denied the request") {
        return Some(Guard::Webhook);
    }
    match status.code {
        401 => Some(Guard::Authentication),
        403 => forbidden(reason_of(message)?),
        // ValidatingAdmissionPolicy answers with the policy's own reason, 422 unless it says otherwise.
        _ => admission_policy(reason_of(message)?),
    }
}

/// What follows `<resource> "<name>" is forbidden: `; the name is quoted, so nothing in it can pose as the rest.
fn reason_of(message: &str) -> Option<&str> {
    // Some authorizers answer without naming an object first.
    if message.starts_with("User \"") || message.starts_with("forbidden: User \"") {
        return Some(message.trim_start_matches("forbidden: "));
    }
    let (head, rest) = message.split_once(" is forbidden: ")?;
    // `pods`, `pods "x"`, `pods.metrics.k8s.io "x"`: one word, then perhaps one quoted name.
    let mut words = head.splitn(2, ' ');
    let plain = words.next().is_some_and(|word| !word.is_empty() && !word.contains('"'));
    let quoted = words.next().is_none_or(|name| {
        name.len() >= 2 && name.starts_with('"') && name.ends_with('"') && !name[1..name.len() - 1].contains('"')
    });
    (plain && quoted).then_some(rest)
}

fn forbidden(reason: &str) -> Option<Guard> {
    // pod-security-admission, admission/admission.go
    if reason.starts_with("violates PodSecurity \"") {
        return Some(Guard::PodSecurity);
    }
    // apiserver, plugin/resourcequota: "failed quota" asks for a request that the quota bounds to be set at all.
    if reason.starts_with("exceeded quota: ") || reason.starts_with("failed quota: ") {
        return Some(Guard::Quota);
    }
    // podsecuritypolicy plug-in, below 1.25; the older releases say "pod security policy", the later ones name it in one word.
    if reason.starts_with("unable to validate against any pod security policy")
        || reason.starts_with("PodSecurityPolicy: unable to admit pod")
    {
        return Some(Guard::Psp);
    }
    if rbac(reason) {
        return Some(Guard::Rbac);
    }
    if limit_range(reason) {
        return Some(Guard::LimitRange);
    }
    admission_policy(reason)
}

fn rbac(reason: &str) -> bool {
    // apiserver, endpoints/handlers/responsewriters/errors.go; registry/rbac/escalation_check.go
    let user = reason.starts_with("User \"");
    user && (reason.contains("\" cannot ") && (reason.contains(" resource \"") || reason.contains(" path \""))
        || reason.contains("is attempting to grant RBAC permissions not currently held"))
        || reason.starts_with("user \"")
            && reason.contains("is attempting to grant RBAC permissions not currently held")
}

fn limit_range(reason: &str) -> bool {
    // plugin/pkg/admission/limitranger; several complaints arrive as one bracketed list.
    let first = reason.trim_start_matches('[');
    ["maximum ", "minimum "].iter().any(|word| first.starts_with(word)) && first.contains(" usage per ")
        || first.contains(" max limit to request ratio per ")
}

fn admission_policy(reason: &str) -> Option<Guard> {
    // apiserver, admission/plugin/policy/validating/dispatcher.go
    let policy = reason.starts_with("ValidatingAdmissionPolicy '") && reason.contains("' denied request: ");
    policy.then_some(Guard::AdmissionPolicy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::token_expired(401, "Unauthorized", Some(Guard::Authentication))]
    #[case::rbac(403, r#"secrets is forbidden: User "system:serviceaccount:a:default" cannot list resource "secrets" in API group "" in the namespace "a""#, Some(Guard::Rbac))]
    #[case::rbac_named(
        403,
        r#"nodes "n1" is forbidden: User "x" cannot delete resource "nodes" in API group "" at the cluster scope"#,
        Some(Guard::Rbac)
    )]
    #[case::rbac_path(403, r#"forbidden: User "system:anonymous" cannot get path "/metrics""#, Some(Guard::Rbac))]
    #[case::escalation(403, r#"clusterroles.rbac.authorization.k8s.io "x" is forbidden: user "u" (groups=["g"]) is attempting to grant RBAC permissions not currently held:"#, Some(Guard::Rbac))]
    #[case::pod_security(403, r#"pods "p" is forbidden: violates PodSecurity "restricted:latest": privileged (container "c" must not set securityContext.privileged=true)"#, Some(Guard::PodSecurity))]
    #[case::policy_invalid(422, r#"pods "p" is forbidden: ValidatingAdmissionPolicy 'images-by-digest' with binding 'images-by-digest' denied request: image by tag"#, Some(Guard::AdmissionPolicy))]
    #[case::policy_forbidden(
        403,
        r#"pods "p" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no"#,
        Some(Guard::AdmissionPolicy)
    )]
    #[case::quota(
        403,
        r#"pods "p" is forbidden: exceeded quota: tenant, requested: pods=1, used: pods=1, limited: pods=1"#,
        Some(Guard::Quota)
    )]
    #[case::limit_range(
        403,
        r#"pods "p" is forbidden: maximum cpu usage per Container is 1, but limit is 2"#,
        Some(Guard::LimitRange)
    )]
    #[case::limit_ranges(403, r#"pods "p" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit is 2Gi]"#, Some(Guard::LimitRange))]
    #[case::psp(403, r#"pods "p" is forbidden: PodSecurityPolicy: unable to admit pod: []"#, Some(Guard::Psp))]
    #[case::webhook(
        400,
        r#"admission webhook "validation.gatekeeper.sh" denied the request: [digests] no digest"#,
        Some(Guard::Webhook)
    )]
    #[case::webhook_down(500, r#"Internal error occurred: failed calling webhook "v.example": failed to call webhook: Post "https://x": context deadline exceeded"#, None)]
    #[case::webhook_without_dry_run(400, r#"admission webhook "v.example" does not support dry run"#, None)]
    #[case::bad_argument(422, r#"Pod "p" is invalid: spec.containers[0].image: Invalid value: "": must not have leading or trailing whitespace"#, None)]
    #[case::posing(422, r#"Pod "p" is invalid: spec.x: Invalid value: "a is forbidden: ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no": bad"#, None)]
    #[case::posing_name(403, r#"pods "p" is forbidden: oddity "x" is forbidden: exceeded quota: y"#, None)]
    #[case::overloaded(429, "too many requests, please try again later", None)]
    #[case::not_found(404, r#"pods "p" not found"#, None)]
    #[case::node_authorizer(
        403,
        r#"pods "p" is forbidden: node "n" can only create pods with spec.nodeName set to itself"#,
        None
    )]
    #[case::empty(403, "", None)]
    fn whose_refusal(#[case] code: u16, #[case] message: &str, #[case] expected: Option<Guard>) {
        let mut status = Status::failure(message, "");
        status.code = code;
        assert_eq!(guard_of(&status), expected);
    }
}
