//! The kernel has hundreds of system calls that no workload makes and that past escapes came through. The runtime's own profile closes
//! them; Unconfined opens every one.
//!
//! Attempted: `seccompProfile` set to Unconfined, in the pod and in each kind of container, and not set at all; each differs from an
//! admitted pod in that alone, in each namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a
//! ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::SECCOMP_UNCONFINED;
use harness::verdict::Attempted;

use super::ENGINES;

/// Pods without a seccomp profile are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "pods without a seccomp profile are refused",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["Pod Security Standards: baseline and restricted"],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| SECCOMP_UNCONFINED.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&SECCOMP_UNCONFINED).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
