//! On Oracle Linux nodes SELinux is what stands between a container and the node's files. A pod that chooses its own type, as spc_t,
//! chooses to stand on the other side.
//!
//! Attempted: types beyond those of containers, a user, a role, in the pod and in each kind of container; each differs from an admitted pod
//! in that alone, in each namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a
//! ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::SELINUX_OPTIONS;
use harness::verdict::Attempted;

use super::ENGINES;

/// SELinux labels beyond a container's are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "SELinux labels beyond a container's are refused",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["Pod Security Standards: baseline"],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| SELINUX_OPTIONS.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&SELINUX_OPTIONS).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
