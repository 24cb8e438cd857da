//! Shared memory and message queues of the node, and of every other pod that shares them, lie open to a pod in the host's IPC namespace.
//!
//! Attempted: `hostIPC: true`; each differs from an admitted pod in that alone, in each namespace, as the one who deploys there. Expected:
//! admission refuses it, by Pod Security, a ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it is admitted
//! at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::HOST_IPC;
use harness::verdict::Attempted;

use super::ENGINES;

/// The host's IPC namespace is not shared.
pub const SCENARIO: Scenario = Scenario {
    title: "the host's IPC namespace is not shared",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["CIS OKE 4.2.3", "Pod Security Standards: baseline"],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| HOST_IPC.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&HOST_IPC).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
