//! A capability is a slice of root: SYS_ADMIN mounts, SYS_MODULE loads code into the kernel, NET_RAW forges packets, SYS_PTRACE reads
//! neighbours. Each is enough for somebody.
//!
//! Attempted: each capability of Linux beyond the default set, one by one, and ALL, in each kind of container; each differs from an
//! admitted pod in that alone, in each namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a
//! ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::CAPABILITIES_ADDED;
use harness::verdict::Attempted;

use super::ENGINES;

/// Dangerous capabilities are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "dangerous capabilities are refused",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["Pod Security Standards: baseline"],
    severity: Severity::Critical,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| CAPABILITIES_ADDED.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&CAPABILITIES_ADDED).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
