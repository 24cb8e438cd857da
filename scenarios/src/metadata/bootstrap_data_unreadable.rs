//! An OKE node is made from its metadata: the cloud-init script with whatever secrets somebody wrote into it, and a kubeconfig with the
//! token that a kubelet joins the cluster with. Whoever reads those may become a node.
//!
//! Attempted: `user_data`, `oke_init_script` and `bootstrap-kubelet-conf`, from a probe in each namespace on a node of each pool; told is
//! only which of them were there. Expected: no connection. Control: a probe on the same node that no policy selects (or, where the
//! cluster stops every pod, one on the node's own network) is served at least one of them at the same moment.
use futures::try_join;
use harness::attempt::packets::ladder::{Rung, When};
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{CONNECT, NAME, hold};

/// What a node is made from cannot be read.
pub const SCENARIO: Scenario = Scenario {
    title: "pods do not read what their node was made from",
    guidance: &[G(4, 4), G(4, 5)],
    also: &[],
    severity: Severity::Critical,
    impact: Impact::Probe,
    scope: Scope::EachNamespaceOnEachPool,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| LADDER.iter().map(|rung| rung.verb.to_string()).collect(),
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

const LADDER: &[Rung] = &[
    Rung { name: "a connection", verb: CONNECT, when: When::Reached },
    Rung { name: "user_data", verb: hold("/opc/v2/instance/metadata/user_data"), when: When::ServedIfThere },
    Rung { name: "oke_init_script", verb: hold("/opc/v2/instance/metadata/oke_init_script"), when: When::ServedIfThere },
    Rung {
        name: "bootstrap-kubelet-conf",
        verb: hold("/opc/v2/instance/metadata/bootstrap-kubelet-conf"),
        when: When::ServedIfThere,
    },
];

async fn attempt(cx: &Cx) -> Attempted {
    let node = cx.node()?;
    let (inside, outside) = try_join!(cx.probe(cx.namespace()?, node), cx.witness(node, CONNECT))?;
    cx.ladder(&inside, NAME, LADDER).stopped_by(Guard::Network).while_climbed_by(&outside).await
}
