//! A host port puts a pod onto its node's own address, past Services and past what security lists were written for; and it keeps every
//! other pod that wants the port away from the node.
//!
//! Attempted: a `hostPort`, TCP and UDP, in a container and in an init container; each differs from an admitted pod in that alone, in each
//! namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a ValidatingAdmissionPolicy or a policy
//! engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::HOST_PORTS;
use harness::verdict::Attempted;

use super::ENGINES;

/// Ports of the host are not taken.
pub const SCENARIO: Scenario = Scenario {
    title: "ports of the host are not taken",
    guidance: &[G(3, 2), G(3, 6)],
    also: &["Pod Security Standards: baseline"],
    severity: Severity::Medium,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| HOST_PORTS.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&HOST_PORTS).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
