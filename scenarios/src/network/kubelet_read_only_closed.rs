//! The kubelet's read-only port asks nobody who he is: it tells every pod's whole specification, with what its environment holds, and the
//! node's own state. Kubernetes has switched it off by default since 1.10 (`readOnlyPort: 0`); what a node's image does is its maker's choice.
//!
//! This must hold for any pod, whatever its policies: nothing in a cluster needs that port. Attempted: a connection to port 10255 of every
//! node, from a probe on a node of each pool that no policy selects. Expected: no connection, because nothing listens there or because it
//! is kept away. Control: the same probe reaches the kubelet's own port on the same nodes at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::nodes::closed_to_every_pod;

/// The kubelet's read-only port is closed.
pub const SCENARIO: Scenario = Scenario {
    title: "no pod reaches a kubelet's read-only port",
    guidance: &[G(5, 3), G(5, 4)],
    also: &["CIS OKE 3.2.4"],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachPool,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| vec!["tcp 10255 of each node".into()],
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    closed_to_every_pod(cx, 10255, "the read-only port").await
}
