//! A privileged container owns its node: it sees every device, may load kernel modules and reads what any other pod keeps there. From one
//! node it takes the kubelet's credential, and with it a part of the cluster.
//!
//! Attempted: `securityContext.privileged: true`, in a container and in an init container; each differs from an admitted pod in that alone,
//! in each namespace, as the one who deploys there. Expected: admission refuses it, by Pod Security, a ValidatingAdmissionPolicy or a
//! policy engine's webhook. Control: the pod without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::PRIVILEGED;
use harness::verdict::Attempted;

use super::ENGINES;

/// Privileged containers are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "privileged containers are refused",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["CIS OKE 4.2.1", "Pod Security Standards: baseline"],
    severity: Severity::Critical,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS],
    attempts: |facts| PRIVILEGED.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard(&PRIVILEGED).await?.denied_by(ENGINES).while_admitting_the_rest().await
}
