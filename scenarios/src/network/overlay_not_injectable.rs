//! An overlay carries pods' packets from node to node in an envelope, and VXLAN's says nothing of who sent it: a node delivers what comes to
//! its port. A pod that reaches this port sends packets in anybody's name, from inside the cluster, past every security list (these see no
//! more than the envelope) and past the policies of its own namespace, to pods whose policies take it for somebody else.
//!
//! Attempted: datagrams to the VXLAN ports of a node (8472, 4789), from a probe on another node, where there is one, that no policy selects, with
//! a packet inside for the probe of each namespace there, in the name of that namespace's probe on the other node. Where flannel has written on
//! the node how its end is addressed, as it does for everybody to read, they are addressed so. Expected: none arrives, because nothing listens or
//! because what listens delivers nothing; or because the probe's own packets to that port are stopped on their way out, as some engines stop
//! them: then not even a pod beside it that no policy selects gets them, which lies behind the same rules for what is forwarded, and it gets the
//! same to another port. Where datagrams are swallowed, nobody knows how to address them, and pods get them, nothing is proved; but where a node
//! takes nothing of pods at all, and none says that it has an overlay, there is none to try. Control: the same datagrams without the envelope
//! arrive from whom they pose as, at the same moment; where that is granted to nobody, from the probe itself.
use futures::try_join;
use harness::attempt::packets::overlay::PORTS;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// Nobody sends through the overlay but nodes.
pub const SCENARIO: Scenario = Scenario {
    title: "no pod sends packets through the overlay of the nodes",
    guidance: &[G(5, 4), G(5, 1)],
    also: &[],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachNamespace,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| PORTS.map(|port| format!("a packet in VXLAN's envelope to udp {port} of a node")).into(),
    controls: |_| 42, // counting before and after, at the neighbour's too, and asking again where nobody says that nothing listens
    pods: 1,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let (namespace, node) = (cx.namespace()?, cx.node()?);
    let other = cx.hosts().iter().find(|host| host.name != node.name);
    let (attacker, victim) = try_join!(cx.outside_probe(other.unwrap_or(node)), cx.probe(namespace, node))?;
    let posing_as = match other {
        Some(other) => Some(cx.probe(namespace, other).await?),
        None => None,
    };
    let injection = cx.injection(&attacker, &victim, posing_as).await?;
    injection.refused_by(&[Guard::Absent, Guard::Network]).while_its_own_arrive().await
}
