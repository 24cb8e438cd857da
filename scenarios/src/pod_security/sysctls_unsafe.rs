//! Kernel parameters that are not a pod's own are the node's: one pod changes how every other is scheduled, forwarded to or dumped.
//!
//! Attempted: kernel parameters outside of the safe set of this version; each differs from an admitted pod in that alone, in each
//! namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a ValidatingAdmissionPolicy or a policy
//! engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::SYSCTLS_UNSAFE;
use harness::verdict::Attempted;

use super::ENGINES;

/// Unsafe kernel parameters are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "unsafe kernel parameters are refused",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["Pod Security Standards: baseline"],
    severity: Severity::Medium,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| SYSCTLS_UNSAFE.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&SYSCTLS_UNSAFE).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
