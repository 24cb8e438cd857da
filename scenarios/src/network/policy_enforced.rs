//! On a cluster whose network plug-in does not enforce NetworkPolicy (OKE's own, flannel and VCN-native, do not), policies are accepted,
//! listed and worthless. Only packets tell.
//!
//! Attempted: TCP and UDP into and out of a namespace of the run's own whose policy denies everything: to the pods' own addresses, to a
//! Service and to a port of every node, from pods on the same node and on others. Expected: nothing arrives. Control: the same paths are
//! open before the policy and after it, and those between other pods are open all the time.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::policy_cases;

/// Network policies are enforced at all.
pub const SCENARIO: Scenario = Scenario {
    title: "network policies are enforced at all",
    guidance: &[G(5, 1), G(5, 2)],
    also: &["CIS OKE 4.3.1", "CIS OKE 5.4.4"],
    severity: Severity::Critical,
    impact: Impact::Probe,
    scope: Scope::Cluster,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::POLICIES, rights::NODE_PORT],
    attempts: |_| policy_cases::walls().into_iter().map(|case| case.title).collect(),
    controls: |_| 0,
    pods: 9,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let walls = cx.grants("a wall comes and goes", policy_cases::walls()).through_doors_to("x", "c");
    walls.stopped_by(Guard::Network).while_granted().await
}
