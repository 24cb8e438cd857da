//! A node's SSH is for its operators, through a bastion. A pod that reaches it needs one leaked key to be on the host. Security lists cannot
//! keep an overlay's pods away from it: what they send leaves their node under its own address, and nodes must reach each other.
//!
//! This must hold for tenants' pods, by their policies: others, a deployment tool say, may have reason to go there. Attempted: a connection
//! to port 22 of a node of each pool, from a probe in each namespace on a node of each pool. Expected: no connection. Control: a probe on
//! the same node that no policy selects gets one at the same moment; or, where nobody answers there, as the evidence says then, it reaches
//! the kubelet of the same node.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::nodes::closed_to_tenants;

/// SSH of the nodes is closed to tenants.
pub const SCENARIO: Scenario = Scenario {
    title: "tenants' pods do not reach the SSH of a node",
    guidance: &[G(5, 1), G(5, 3)],
    also: &[],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachNamespaceOnEachPool,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| vec!["tcp 22 of a node of each pool".into()],
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    closed_to_tenants(cx, &[22], "SSH").await
}
