//! A pod on its node's network is the node, as far as packets can tell: no NetworkPolicy selects it, it listens on the node's loopback, and
//! it keeps the instance metadata endpoint whatever was closed to pods.
//!
//! Attempted: `hostNetwork: true`; each differs from an admitted pod in that alone, in each namespace, as the one who deploys there.
//! Expected: admission refuses it, by Pod Security, a ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it
//! is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::HOST_NETWORK;
use harness::verdict::Attempted;

use super::ENGINES;

/// The host's network is not shared.
pub const SCENARIO: Scenario = Scenario {
    title: "the host's network is not shared",
    guidance: &[G(3, 2), G(4, 6), G(3, 6)],
    also: &["CIS OKE 4.2.4", "Pod Security Standards: baseline"],
    severity: Severity::Critical,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| HOST_NETWORK.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&HOST_NETWORK).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
