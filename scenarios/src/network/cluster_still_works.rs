//! Rules that are too tight stop a cluster as surely as an attacker would: without the API server's way to the kubelets there are no logs and
//! no execs, and without the nodes' way to each other no Service reaches its pods. The minimum set of rules must stay.
//!
//! Attempted: nothing that must be refused; what must not have happened is the cut. On a node of each pool the kubelet is asked for an exec by
//! the API server, on the connection that logs and port-forwards take as well; and a pod there, which no policy selects, sends TCP and UDP to
//! one on a node of every other pool. Expected: all of it arrives. Control: each listener answers itself, and where nobody listens, nothing is
//! open.
use futures::try_join;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::PORT;

/// The minimum set of rules is there.
pub const SCENARIO: Scenario = Scenario {
    title: "the rules around the nodes have not cut the cluster",
    guidance: &[G(5, 5)],
    also: &[],
    severity: Severity::Medium,
    impact: Impact::Probe,
    scope: Scope::EachPool,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| {
        let exec = "an exec, from the API server to the kubelet of the node".to_owned();
        let across = ["tcp", "udp"].map(|protocol| format!("{protocol} from a pod of the node to one in every other pool, port {PORT}"));
        [exec].into_iter().chain(across).collect()
    },
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let (from, all) = try_join!(cx.outside_probe(cx.node()?), cx.outside_probes())?;
    let others: Vec<_> = all.into_iter().filter(|probe| probe.node != from.node).collect();
    cx.still_works(&from, &others, PORT).await
}
