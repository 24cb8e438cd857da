//! On a Windows node a HostProcess container is the node's administrator: what a privileged container is on Linux.
//!
//! Attempted: `windowsOptions.hostProcess: true`, on the host's network, without which the API server takes it for invalid; each differs
//! from an admitted pod in that alone, in each namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a
//! ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::HOST_PROCESS;
use harness::verdict::Attempted;

use super::ENGINES;

/// Processes of a Windows host are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "processes of a Windows host are refused",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["Pod Security Standards: baseline"],
    severity: Severity::Critical,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| HOST_PROCESS.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&HOST_PROCESS).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
