//! Warning headers: what a guard would have refused, had it been told to enforce. That is not a denial.
use serde::Serialize;

use super::{Reason, pod_security, policy};
use crate::words::Guard;

/// A guard that knows of the violation and lets it pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warned {
    /// Who warns.
    pub guard: Guard,
    /// Of what.
    pub reason: Reason,
}

/// Who warns in a `Warning` header, `299 - "..."`. A webhook's warnings are its own free text and stand in the same header:
/// good for telling what is amiss, never as evidence.
pub fn warned_by(header: &str) -> Option<Warned> {
    let text = text(header)?;
    let reason = match text.strip_prefix("would violate PodSecurity ") {
        Some(violation) => pod_security::violation(violation)?,
        None => policy::warning(&text)?,
    };
    Some(Warned { guard: reason.guard(), reason })
}

/// RFC 7234, 5.5, as apimachinery (util/net/http.go) writes it: backslashes before quotes and backslashes, nothing else.
fn text(header: &str) -> Option<String> {
    let (_agent, quoted) = header.strip_prefix("299 ")?.split_once(' ')?;
    let mut text = String::new();
    let mut chars = quoted.strip_prefix('"')?.chars();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(chars.next()?),
            char => text.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::pod_security(r#"299 - "would violate PodSecurity \"restricted:v1.34\": host namespaces (hostNetwork=true, hostPID=true), runAsNonRoot != true""#, "the restricted standard (v1.34) forbids: host namespaces, runAsNonRoot != true")]
    #[case::policy(
        r#"299 - "Validation failed for ValidatingAdmissionPolicy 'x' with binding 'y': a \"b\"""#,
        "policy x (bound by y) denies: a \"b\""
    )]
    fn somebody_warns(#[case] header: &str, #[case] expected: &str) {
        assert_eq!(warned_by(header).unwrap().reason.to_string(), expected);
    }

    #[rstest]
    #[case::deprecation(r#"299 - "v1 ComponentStatus is deprecated in v1.19+""#)]
    #[case::a_field_that_poses(r#"299 - "unknown field \"would violate PodSecurity \\\"restricted:latest\\\": x\"""#)]
    #[case::other_code(r#"199 - "would violate PodSecurity \"restricted:latest\": x""#)]
    #[case::cut(r#"299 - "would violate PodSecurity \"restricted:latest\": x"#)]
    #[case::empty("")]
    fn nobody_that_is_known(#[case] header: &str) {
        assert_eq!(warned_by(header), None);
    }
}
