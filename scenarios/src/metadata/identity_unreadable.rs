//! The certificate and key at the metadata endpoint are the instance principal: with them, a program anywhere speaks to OCI as the node
//! pool's dynamic group, with every right that policies give to it.
//!
//! Attempted: rung by rung, a TCP connection, the instance's id, the certificate, and the key that matches it, from a probe in each
//! namespace on a node of each pool. The key stays in the pod: told are the digests of both moduli, which are public. Expected: no
//! connection; the highest rung reached is the evidence. Control: a probe on the same node that no policy selects (or, where the
//! cluster stops every pod, one on the node's own network) climbs to the top at the same moment.
//!
//! Not attempted: asking OCI for a token with that identity, and a call with the token; they would leave the cluster.
use futures::try_join;
use harness::attempt::packets::ladder::{Rung, When};
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{CONNECT, NAME, get, hold};

/// The node's identity cannot be read.
pub const SCENARIO: Scenario = Scenario {
    title: "pods do not read the instance principal's key",
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
    Rung { name: "the instance's id", verb: get("/opc/v2/instance/id"), when: When::Served },
    Rung { name: "the certificate", verb: hold("/opc/v2/identity/cert.pem"), when: When::Served },
    Rung { name: "the key that matches it", verb: hold("/opc/v2/identity/key.pem"), when: When::Matching },
];

async fn attempt(cx: &Cx) -> Attempted {
    let node = cx.node()?;
    let (inside, outside) = try_join!(cx.probe(cx.namespace()?, node), cx.witness(node, CONNECT))?;
    cx.ladder(&inside, NAME, LADDER).stopped_by(Guard::Network).while_climbed_by(&outside).await
}
