//! etcd holds every object of the cluster, secrets too, and knows no tenants: whoever it answers reads and writes everything. On a managed
//! cluster it is out of sight; where a control plane's nodes are part of the cluster, pods may reach it, and a client certificate is then
//! all that is in between.
//!
//! This must hold for tenants' pods, by their policies: the API server's own, on the host's network, must get there. Attempted: connections
//! to ports 2379 and 2380 of a node of each pool, the control plane's among them where there are any, from a probe in each namespace on a
//! node of each pool. Expected: none. Control: a probe on the same node that no policy selects gets one at the same moment; or, where
//! nobody answers there, as the evidence says then, it reaches the kubelet of the same node.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::nodes::closed_to_tenants;

/// etcd is closed to tenants.
pub const SCENARIO: Scenario = Scenario {
    title: "tenants' pods do not reach etcd",
    guidance: &[G(5, 1), G(5, 3)],
    also: &[],
    severity: Severity::Critical,
    impact: Impact::Probe,
    scope: Scope::EachNamespaceOnEachPool,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| [2379, 2380].map(|port| format!("tcp {port} of a node of each pool")).into(),
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    closed_to_tenants(cx, &[2379, 2380], "etcd").await
}
