//! What closes the metadata endpoint closes it to pods, and a pod on its node's network is none, as far as packets can tell. So the
//! endpoint is only as closed as the nodes' network is refused.
//!
//! Attempted: a pod with `hostNetwork: true`, as the one who deploys in each namespace. Expected: admission refuses it. Control: the same
//! pod without it is admitted at the same moment, and such a pod of the run's own, in a namespace of the run's own that admits it, does
//! read the instance document: the refusal is all that stands in between. Only suites that allow what would hurt run this; the refusal
//! alone is `pod_security/host-network`.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::HOST_NETWORK;
use harness::verdict::Attempted;

use super::{DOCUMENT, NAME};
use crate::pod_security::ENGINES;

/// The bypass is refused.
pub const SCENARIO: Scenario = Scenario {
    title: "pods do not reach the metadata endpoint through the host's network",
    guidance: &[G(4, 6), G(3, 2)],
    also: &["CIS OKE 4.2.4"],
    severity: Severity::Critical,
    impact: Impact::Intrusive,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::EXEMPTIONS],
    attempts: |facts| HOST_NETWORK.attempts(facts.minor()),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let denied = cx.standard(&HOST_NETWORK).await?.denied_by(ENGINES).while_admitting_the_rest().await?;
    cx.knowing_the_bypass(denied, cx.node()?, DOCUMENT, 200, NAME).await
}
