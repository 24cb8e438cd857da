//! The default set lets a container change owners, write over permissions and bind any user id. Hardly a workload needs it; what is kept
//! unasked is kept for whoever breaks in.
//!
//! Attempted: not dropping ALL, and adding back each capability of the default set but NET_BIND_SERVICE, in each kind of container; each
//! differs from an admitted pod in that alone, in each namespace, as the one who deploys there. Expected: admission refuses it, by Pod
//! Security, a ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::CAPABILITIES_KEPT;
use harness::verdict::Attempted;

use super::ENGINES;

/// Capabilities that are not dropped are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "capabilities that are not dropped are refused",
    guidance: &[G(3, 3), G(3, 4), G(3, 6)],
    also: &["Pod Security Standards: restricted"],
    severity: Severity::Medium,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| CAPABILITIES_KEPT.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&CAPABILITIES_KEPT).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
