//! A probe is made by the kubelet, from the node: one that names a host has the node ask wherever the pod's author likes, the metadata
//! endpoint included, past every NetworkPolicy.
//!
//! Attempted: a `host` in each probe and handler, by HTTP and by TCP, in a container and in an init container that stays; each differs from
//! an admitted pod in that alone, in each namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a
//! ValidatingAdmissionPolicy or a policy engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::HOST_PROBES;
use harness::verdict::Attempted;

use super::ENGINES;

/// Probes that name a host are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "probes that name a host are refused",
    guidance: &[G(3, 2), G(3, 6)],
    also: &["Pod Security Standards: baseline"],
    severity: Severity::Medium,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| HOST_PROBES.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&HOST_PROBES).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
