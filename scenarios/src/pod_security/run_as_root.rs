//! Root in a container is root on the node but for what the runtime takes away, and every flaw of the runtime or the kernel gives it back.
//! An image that does not say who it runs as runs as root.
//!
//! Attempted: `runAsNonRoot` set to false, in the pod and in each kind of container, and not set at all; each differs from an admitted pod
//! in that alone, in each namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a
//! ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::RUN_AS_ROOT;
use harness::verdict::Attempted;

use super::ENGINES;

/// Containers that may run as root are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "containers that may run as root are refused",
    guidance: &[G(3, 3), G(3, 6)],
    also: &["Pod Security Standards: restricted"],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| RUN_AS_ROOT.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&RUN_AS_ROOT).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
