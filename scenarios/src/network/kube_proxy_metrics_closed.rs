//! kube-proxy tells its metrics and its configuration (`/configz`), and with profiling on far more, to whoever asks. By default it listens on
//! the node's loopback alone; one line of its configuration (`metricsBindAddress: 0.0.0.0`), often written for a monitoring system, opens it.
//!
//! This must hold for any pod, whatever its policies. Attempted: a connection to port 10249 of every node, from a probe on a node of each
//! pool that no policy selects. Expected: no connection, because nothing listens there or because it is kept away. (10256, its health check,
//! says nothing but yes or no, and load balancers need it.) Control: the same probe reaches the kubelet's port on the same nodes at the same
//! moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::nodes::closed_to_every_pod;

/// kube-proxy's metrics are closed.
pub const SCENARIO: Scenario = Scenario {
    title: "no pod reaches the metrics of a kube-proxy",
    guidance: &[G(5, 3), G(5, 4)],
    also: &[],
    severity: Severity::Medium,
    impact: Impact::Probe,
    scope: Scope::EachPool,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| vec!["tcp 10249 of each node".into()],
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    closed_to_every_pod(cx, 10249, "kube-proxy's metrics").await
}
