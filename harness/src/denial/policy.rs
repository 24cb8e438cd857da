//! ValidatingAdmissionPolicy: `ValidatingAdmissionPolicy 'x' with binding 'y' denied request: ...`.
use super::Reason;
use super::go_text::name;

/// A policy that could not be evaluated and fails closed has judged nothing (admission/plugin/policy/validating and cel).
const NOT_JUDGED: [&str; 4] =
    ["failed to configure policy: ", "failed to configure binding: ", "failed messageExpression: ", "expression '"];

/// apiserver, admission/plugin/policy/validating/dispatcher.go
pub fn refusal(reason: &str) -> Option<Reason> {
    let (policy, rest) = named(reason.strip_prefix("ValidatingAdmissionPolicy '")?)?;
    let (binding, rest) = match rest.strip_prefix(" with binding '") {
        Some(binding) => named(binding).map(|(binding, rest)| (Some(binding), rest))?,
        None => (None, rest),
    };
    let message = rest.strip_prefix(" denied request: ")?;
    judged(message).then(|| Reason::AdmissionPolicy {
        policy: policy.into(),
        binding: binding.map(str::to_owned),
        message: message.into(),
    })
}

/// The same policy bound with `Warn`.
pub fn warning(text: &str) -> Option<Reason> {
    let (policy, rest) = named(text.strip_prefix("Validation failed for ValidatingAdmissionPolicy '")?)?;
    let (binding, rest) = named(rest.strip_prefix(" with binding '")?)?;
    let message = rest.strip_prefix(": ")?;
    judged(message).then(|| Reason::AdmissionPolicy {
        policy: policy.into(),
        binding: Some(binding.into()),
        message: message.into(),
    })
}

fn judged(message: &str) -> bool {
    !NOT_JUDGED.iter().any(|words| message.starts_with(words))
}

fn named(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = name(text)?;
    Some((name, rest.strip_prefix('\'')?))
}
