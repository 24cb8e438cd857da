//! Ports of the nodes themselves.
use std::net::IpAddr;
use std::sync::Arc;

use futures::try_join;
use harness::attempt::packets::kubelet;
use harness::attempt::packets::reach::Path;
use harness::cx::Cx;
use harness::probe::Probe;
use harness::probe::batch::Verb;
use harness::record::NodeFacts;
use harness::scenario::Guard;
use harness::verdict::Attempted;

use super::PORT;

/// Attempts to connect to `port` of every node, from a probe on the cell's node that no policy selects: what must be closed to any pod.
/// Whether the node has nothing there or keeps packets away does not matter: nothing is there to be reached.
pub async fn closed_to_every_pod(cx: &Cx, port: u16, what: &str) -> Attempted {
    let (outside, all) = try_join!(cx.outside_probe(cx.node()?), cx.outside_probes())?;
    let (mut attempts, mut controls) = (Vec::new(), Vec::new());
    for (node, to) in addresses(&cx.facts().nodes) {
        let attempt = Path::new(&outside, Verb::Tcp { to, port }, format!("{what} of {}", node.name));
        let kubelet = format!("the kubelet of {}", node.name);
        let control = Path::new(&outside, Verb::Tcp { to, port: kubelet::PORT }, kubelet);
        attempts.push(attempt.if_open(of_node(node)));
        controls.push(or_beside(control, node, &all));
    }
    cx.reach(attempts)
        .leaving_out(&out_of_reach(&cx.facts().nodes))
        .stopped_by(Guard::Absent)
        .while_open(controls)
        .await
}

/// Attempts to connect to `ports` of a node of each pool, from the probe of the cell's namespace on its node: what must be closed to
/// those that policies select, for others may have good reason to go there. The control goes to the same port from a probe that no
/// policy selects; where nobody answers there, the evidence says so, and the kubelet of the same node must answer.
///
/// # Errors
/// Inconclusive where a probe does not run or a control is closed.
pub async fn closed_to_tenants(cx: &Cx, ports: &[u16], what: &str) -> Attempted {
    let node = cx.node()?;
    let (inside, outside, all) =
        try_join!(cx.probe(cx.namespace()?, node), cx.outside_probe(node), cx.outside_probes())?;
    let (mut attempts, mut controls) = (Vec::new(), Vec::new());
    let nodes = &cx.facts().nodes;
    for (node, to) in addresses(one_of_each_pool(nodes)) {
        for port in ports.iter().copied() {
            let what = format!("{what} of {}", node.name);
            attempts.push(Path::new(&inside, Verb::Tcp { to, port }, &what).if_open(of_node(node)));
            let control = Path::new(&outside, Verb::Tcp { to, port }, what);
            let control = control.or_at_least(Verb::Tcp { to, port: kubelet::PORT });
            controls.push(or_beside(control, node, &all));
        }
    }
    cx.reach(attempts).leaving_out(&out_of_reach(nodes)).stopped_by(Guard::Network).while_open(controls).await
}

fn of_node(node: &NodeFacts) -> String {
    format!("node {}", node.name)
}

/// Where a node takes nothing of pods at all (OKE's own rules for VCN-native pods, a host's firewall), a probe that runs there will do; where none
/// does, the node is left out.
fn or_beside(control: Path, node: &NodeFacts, probes: &[Arc<Probe>]) -> Path {
    let control = control.if_open(of_node(node));
    match probes.iter().find(|probe| probe.node == node.name) {
        Some(there) => control.or_beside(there, PORT),
        None => control,
    }
}

/// The nodes that nothing can be aimed at, for the reader.
pub fn out_of_reach(nodes: &[NodeFacts]) -> Vec<String> {
    nodes.iter().filter_map(|node| Some(format!("node {} ({})", node.name, node.out_of_reach()?))).collect()
}

/// The nodes that have ports and may answer, with each of their addresses.
pub fn addresses<'a>(nodes: impl IntoIterator<Item = &'a NodeFacts>) -> impl Iterator<Item = (&'a NodeFacts, IpAddr)> {
    let there = nodes.into_iter().filter(|node| node.out_of_reach().is_none());
    there.flat_map(|node| node.addresses.iter().filter_map(move |address| Some((node, address.parse().ok()?))))
}

/// The first node of each pool that may answer, also of those that no probe can be placed on: a control plane that is part of the cluster is
/// one.
pub fn one_of_each_pool(nodes: &[NodeFacts]) -> Vec<&NodeFacts> {
    let mut chosen: Vec<&NodeFacts> = Vec::new();
    for node in nodes.iter().filter(|node| node.out_of_reach().is_none()) {
        if !chosen.iter().any(|other| other.pool == node.pool) {
            chosen.push(node);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, pool: &str, without_probe: Option<&str>) -> NodeFacts {
        NodeFacts {
            name: name.into(),
            pool: pool.into(),
            architecture: String::new(),
            runtime: String::new(),
            addresses: vec!["10.0.0.1".into(), "fd00::1".into(), "no address".into()],
            without_probe: without_probe.map(str::to_owned),
            ..NodeFacts::default()
        }
    }

    #[test]
    fn a_node_of_each_pool_and_no_virtual_one() {
        let nodes = [
            node("a", "p", None),
            node("b", "p", None),
            node("c", "c", Some("cordoned")),
            node("d", "d", Some("not ready")),
            node("e", "d", Some("not Linux")),
            node("v", "v", Some("virtual")),
            node("x", "x", Some("left out by conformance.toml")),
        ];
        let found: Vec<_> =
            addresses(one_of_each_pool(&nodes)).map(|(node, to)| format!("{} {to}", node.name)).collect();
        assert_eq!(found, ["a 10.0.0.1", "a fd00::1", "c 10.0.0.1", "c fd00::1", "e 10.0.0.1", "e fd00::1"]);
        let told = ["node d (not ready)", "node v (virtual)", "node x (left out by conformance.toml)"];
        assert_eq!(out_of_reach(&nodes), told);
    }
}
