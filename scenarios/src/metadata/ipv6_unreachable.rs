//! The metadata service answers at an IPv6 address, too, and what closes 169.254.169.254 says nothing about that: no IPv4 rule, no
//! `ipBlock` of IPv4 addresses, and no policy engine that was started for IPv4 alone.
//!
//! Attempted: a TCP connection to fd00:c1::a9fe:a9fe, and the instance document, from a probe in each namespace on a node of each pool.
//! Expected: no connection. Control: a probe on the same node that no policy selects or, where pods have no IPv6, one on the node's own
//! network gets the document, with status 200, at the same moment. Where pods have no IPv6 and a suite may start no such probe, the
//! question does not arise.
use futures::try_join;
use harness::attempt::packets::reach::Path;
use harness::cx::Cx;
use harness::probe::batch::Verb;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{AUTHORIZED, ENDPOINT_IPV6, NAME};

/// Pods do not reach the metadata endpoint's IPv6 address.
pub const SCENARIO: Scenario = Scenario {
    title: "pods do not reach the metadata endpoint over IPv6",
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

const CONNECT: Verb = Verb::Tcp { to: ENDPOINT_IPV6, port: 80 };
const DOCUMENT: Verb = Verb::Http { to: ENDPOINT_IPV6, port: 80, path: "/opc/v2/instance/", headers: AUTHORIZED };

async fn attempt(cx: &Cx) -> Attempted {
    let node = cx.node()?;
    let (inside, witness) = try_join!(cx.probe(cx.namespace()?, node), cx.witness(node, CONNECT))?;
    let control = Path::new(&witness, DOCUMENT, NAME).answering(200);
    cx.reach(vec![Path::new(&inside, CONNECT, NAME), Path::new(&inside, DOCUMENT, NAME)])
        .stopped_by(Guard::Network)
        .while_open(vec![control])
        .await
}
