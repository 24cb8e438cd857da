//! A user id of 0 is root by number, whatever else the pod says of itself.
//!
//! Attempted: `runAsUser: 0`, in the pod and in each kind of container; each differs from an admitted pod in that alone, in each namespace,
//! as the one who deploys there. Expected: admission refuses it, by Pod Security, a ValidatingAdmissionPolicy or a policy engine's webhook.
//! Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::RUN_AS_USER_ZERO;
use harness::verdict::Attempted;

use super::ENGINES;

/// User 0 is refused.
pub const SCENARIO: Scenario = Scenario {
    title: "user 0 is refused",
    guidance: &[G(3, 3), G(3, 6)],
    also: &["Pod Security Standards: restricted"],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| RUN_AS_USER_ZERO.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&RUN_AS_USER_ZERO).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
