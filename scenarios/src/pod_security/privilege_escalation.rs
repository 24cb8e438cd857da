//! Without `no_new_privs` a set-user-id program in the image makes root of any user again, and takes back the capabilities that go with it.
//!
//! Attempted: `allowPrivilegeEscalation` set to true, and not set at all, in each kind of container; each differs from an admitted pod in
//! that alone, in each namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a
//! ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::PRIVILEGE_ESCALATION;
use harness::verdict::Attempted;

use super::ENGINES;

/// Gaining privileges is refused.
pub const SCENARIO: Scenario = Scenario {
    title: "gaining privileges is refused",
    guidance: &[G(3, 3), G(3, 4), G(3, 6)],
    also: &["CIS OKE 4.2.5", "Pod Security Standards: restricted"],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| PRIVILEGE_ESCALATION.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&PRIVILEGE_ESCALATION).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
