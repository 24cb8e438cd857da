//! The node's file system holds the kubelet's credential, every other pod's volumes and secrets, and the container runtime's socket. A
//! hostPath volume hands out any of it.
//!
//! Attempted: a `hostPath` volume: the root, a directory, a socket, a device; each differs from an admitted pod in that alone, in each
//! namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a ValidatingAdmissionPolicy or a policy
//! engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::HOST_PATH;
use harness::verdict::Attempted;

use super::ENGINES;

/// Directories of the host are not mounted.
pub const SCENARIO: Scenario = Scenario {
    title: "directories of the host are not mounted",
    guidance: &[G(3, 1), G(3, 6)],
    also: &["Pod Security Standards: baseline"],
    severity: Severity::Critical,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| HOST_PATH.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&HOST_PATH).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
