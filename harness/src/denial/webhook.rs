//! Admission webhooks: `admission webhook "x" denied the request: ...`.
use std::fmt;

use serde::Serialize;

use super::Reason;
use super::go_text::quoted;

/// A policy engine that is known by how it names its webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Open Policy Agent Gatekeeper.
    Gatekeeper,
    /// Kyverno.
    Kyverno,
}

impl Engine {
    /// The engine whose webhooks have such names; what else a name says is its owner's choice.
    fn named(webhook: &str) -> Option<Self> {
        if webhook.ends_with(".gatekeeper.sh") {
            return Some(Self::Gatekeeper);
        }
        // `validate.kyverno.svc-fail-finegrained-x`: the failure policy and the policy's name come last.
        let (_, rest) = webhook.split_once(".kyverno.svc")?;
        (rest.is_empty() || rest.starts_with('-')).then_some(Self::Kyverno)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gatekeeper => "Gatekeeper",
            Self::Kyverno => "Kyverno",
        })
    }
}

/// apiserver, admission/plugin/webhook/errors/statuserror.go. The neighbouring sentences, `failed calling webhook` and
/// `does not support dry run`, say that nobody judged.
pub fn refusal(message: &str) -> Option<Reason> {
    let (name, rest) = quoted(message.strip_prefix("admission webhook ")?)?;
    let explanation = rest.strip_prefix(" denied the request")?;
    let message = match explanation {
        " without explanation" => None,
        explanation => Some(explanation.strip_prefix(": ")?.to_owned()),
    };
    Some(Reason::Webhook { engine: Engine::named(&name), name, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("validation.gatekeeper.sh", Some(Engine::Gatekeeper))]
    #[case("check-ignore-label.gatekeeper.sh", Some(Engine::Gatekeeper))]
    #[case("validate.kyverno.svc", Some(Engine::Kyverno))]
    #[case("validate.kyverno.svc-fail", Some(Engine::Kyverno))]
    #[case("mutate.kyverno.svc-ignore-finegrained-x", Some(Engine::Kyverno))]
    #[case("validate.kyverno.svcs.example", None)]
    #[case("gatekeeper.sh.example.com", None)]
    fn engines_by_their_names(#[case] webhook: &str, #[case] expected: Option<Engine>) {
        assert_eq!(Engine::named(webhook), expected);
    }
}
