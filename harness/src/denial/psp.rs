//! PodSecurityPolicy, below 1.25: `PodSecurityPolicy: unable to admit pod: [spec.hostPID: Invalid value: true: ...]`.
//!
//! The list holds what is wrong by the policies that the asker or the pod's account may use. Where it is empty, there is none of those,
//! and nothing of the pod was judged by them.
use super::Reason;

/// kubernetes v1.24, plugin/pkg/admission/security/podsecuritypolicy/admission.go (Admit); releases up to 1.18 begin otherwise.
const ADMIT: [&str; 2] =
    ["PodSecurityPolicy: unable to admit pod: ", "unable to validate against any pod security policy: "];
/// The same (Validate): what a later plug-in made of a pod. An empty list says there that a policy would have changed it again.
const VALIDATE: &str = "PodSecurityPolicy: unable to validate pod: ";

/// What the plug-in says where no policy exists (`no providers available`) or the list cannot be had, is no judgement of a pod.
pub fn refusal(reason: &str) -> Option<Reason> {
    if let Some(list) = ADMIT.iter().find_map(|words| reason.strip_prefix(words)) {
        return Some(if list == "[]" { Reason::PspUnusable } else { violated(list)? });
    }
    violated(reason.strip_prefix(VALIDATE)?)
}

/// Its parts are separated by spaces, which they have themselves: they stay together.
fn violated(list: &str) -> Option<Reason> {
    let why = list.strip_prefix('[')?.strip_suffix(']').filter(|why| !why.is_empty())?;
    Some(Reason::Psp { why: why.to_owned() })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::unusable(
        "PodSecurityPolicy: unable to admit pod: []",
        Some("no pod security policy may be used for the pod")
    )]
    #[case::older(
        "unable to validate against any pod security policy: [a b]",
        Some("no pod security policy admits the pod: a b")
    )]
    #[case::later("PodSecurityPolicy: unable to validate pod: [a]", Some("no pod security policy admits the pod: a"))]
    #[case::would_change_it_again("PodSecurityPolicy: unable to validate pod: []", None)]
    #[case::no_policy("PodSecurityPolicy: no providers available to validate pod request", None)]
    #[case::cut_off("PodSecurityPolicy: unable to admit pod: [a", None)]
    #[case::goes_on("PodSecurityPolicy: unable to admit pod: [] b", None)]
    #[case::without_list("PodSecurityPolicy: unable to admit pod: a", None)]
    fn strictly(#[case] reason: &str, #[case] expected: Option<&str>) {
        assert_eq!(refusal(reason).map(|reason| reason.to_string()).as_deref(), expected);
    }
}
