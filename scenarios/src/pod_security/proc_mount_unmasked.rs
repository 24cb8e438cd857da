//! The runtime masks the parts of /proc that show the kernel's memory, its keys and its timers. Unmasked, they are there to be read, and
//! some to be written.
//!
//! Attempted: `procMount: Unmasked`, in each kind of container; each differs from an admitted pod in that alone, in each namespace, as the
//! one who deploys there. Expected: admission refuses it, by Pod Security, a ValidatingAdmissionPolicy or a policy engine's webhook.
//! Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::PROC_MOUNT_UNMASKED;
use harness::verdict::Attempted;

use super::ENGINES;

/// An unmasked /proc is refused.
pub const SCENARIO: Scenario = Scenario {
    title: "an unmasked /proc is refused",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["Pod Security Standards: baseline"],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| PROC_MOUNT_UNMASKED.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&PROC_MOUNT_UNMASKED).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
