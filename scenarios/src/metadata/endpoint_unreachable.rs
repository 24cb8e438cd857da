//! Every instance answers at 169.254.169.254 with its identity: the certificate and key that speak for the node pool's dynamic group,
//! the bootstrap kubeconfig, the user data. A pod that gets there is the node, for the whole tenancy.
//!
//! Attempted: a TCP connection to port 80, and the instance document with the header that version 2 asks for, from a probe in each
//! namespace on a node of each pool. Expected: no connection. An HTTP error is not a denial: whoever hears one has got there.
//! Control: a probe on the same node that no policy selects (or, where the cluster stops every pod, one on the node's own network) gets
//! the document, with status 200, at the same moment.
use futures::try_join;
use harness::attempt::packets::reach::Path;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{CONNECT, DOCUMENT, NAME};

/// Pods do not reach the metadata endpoint.
pub const SCENARIO: Scenario = Scenario {
    title: "pods do not reach the instance metadata endpoint",
    guidance: &[G(4, 4), G(4, 5)],
    also: &[],
    severity: Severity::Critical,
    impact: Impact::Probe,
    scope: Scope::EachNamespaceOnEachPool,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| [CONNECT, DOCUMENT].map(|verb| verb.to_string()).into(),
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let node = cx.node()?;
    let (inside, outside) = try_join!(cx.probe(cx.namespace()?, node), cx.witness(node, CONNECT))?;
    let control = Path::new(&outside, DOCUMENT, NAME).answering(200);
    cx.reach(vec![Path::new(&inside, CONNECT, NAME), Path::new(&inside, DOCUMENT, NAME)]).stopped_by(Guard::Network).while_open(vec![control]).await
}
