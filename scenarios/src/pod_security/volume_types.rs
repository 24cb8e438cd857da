//! Volumes that name a server or a disk reach storage with the node's rights, past claims, classes and quotas. What a workload needs comes
//! as a claim, or as one of the few types that hold nothing of anybody else's.
//!
//! Attempted: a volume of every type but those of the restricted standard; each differs from an admitted pod in that alone, in each
//! namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a ValidatingAdmissionPolicy or a policy
//! engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::VOLUME_TYPES;
use harness::verdict::Attempted;

use super::ENGINES;

/// Only harmless volume types are admitted.
pub const SCENARIO: Scenario = Scenario {
    title: "only harmless volume types are admitted",
    guidance: &[G(3, 1), G(3, 6)],
    also: &["Pod Security Standards: restricted"],
    severity: Severity::Medium,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| VOLUME_TYPES.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&VOLUME_TYPES).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
