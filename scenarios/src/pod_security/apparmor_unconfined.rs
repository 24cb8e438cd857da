//! Where a node has AppArmor, the runtime's profile keeps containers from mounting and from writing where the kernel is configured. A pod
//! that asks for Unconfined is outside of it.
//!
//! Attempted: `appArmorProfile` set to Unconfined, in the pod and in each kind of container, and by the older annotation; each differs from
//! an admitted pod in that alone, in each namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a
//! ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::APPARMOR_UNCONFINED;
use harness::verdict::Attempted;

use super::ENGINES;

/// The AppArmor profile is not switched off.
pub const SCENARIO: Scenario = Scenario {
    title: "the AppArmor profile is not switched off",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["Pod Security Standards: baseline"],
    severity: Severity::Medium,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| APPARMOR_UNCONFINED.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&APPARMOR_UNCONFINED).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
