//! A node port is open on every node, whatever its Service's author had in mind, and what comes in by one may have lost its own address on
//! the way: policies that go by addresses then take a stranger for a node. Tenants must not get by it to where their policies do not let
//! them, and from outside the security list must keep everybody away.
//!
//! Attempted: a Service of the run's own, in its own namespace, opens a node port that leads to the run's probes there. A probe in each
//! namespace tries it on a node of each pool, its own among them, and so does the machine that this suite runs on, at the nodes' addresses outside
//! as well, unless it is a pod itself; somebody else who has such an address in that machine's network is told from a node. Expected: no
//! connection. Control: a probe that no policy selects gets one by the same port on the same nodes, at the same moment; and that machine reaches the
//! kubelet at the same address, without which nothing is known of the way there, and the evidence says so.
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use futures::future::join_all;
use harness::attempt::packets::reach::Path;
use harness::cx::Cx;
use harness::probe::Probe;
use harness::probe::batch::Verb;
use harness::record::NodeFacts;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::PORT;
use super::nodes::{addresses, one_of_each_pool, out_of_reach};

/// Node ports are closed to tenants and to the outside.
pub const SCENARIO: Scenario = Scenario {
    title: "node ports are no way in, for tenants and from outside",
    guidance: &[G(5, 1), G(5, 3)],
    also: &[],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachNamespace,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::NODE_PORT],
    attempts: |_| ["the namespace", "this machine"].map(|from| format!("tcp from {from} to a node port of a node of each pool")).into(),
    controls: |_| 4, // until it is open
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let (inside, outside) = cx.probes_and_neighbours(cx.namespace()?).await?;
    let nodes: Vec<_> = addresses(one_of_each_pool(&cx.facts().nodes)).collect();
    let on: Vec<_> = nodes.iter().map(|(_, address)| *address).collect();
    let port = cx.node_port(&on, PORT).await?;
    let to = |from: &Arc<Probe>| {
        let path = |(node, to): &(&NodeFacts, IpAddr)| {
            let path = Path::new(from, Verb::Tcp { to: *to, port }, format!("a node port of {}", node.name));
            // Some nodes take nothing of pods, or of none but their own.
            path.if_open(format!("node ports of {} from {}", node.name, from.node))
        };
        nodes.iter().map(path).collect::<Vec<_>>()
    };
    let all = |from: &[Arc<Probe>]| from.iter().flat_map(to).collect::<Vec<_>>();
    let mut attempts = all(&inside);
    let mut not_tried = out_of_reach(&cx.facts().nodes);
    if let Some(here) = cx.here() {
        let outer = nodes.iter().flat_map(|(node, _)| node.outside.iter().filter_map(move |to| Some((*node, to.parse().ok()?))));
        let all: BTreeSet<(&str, IpAddr)> = nodes.iter().copied().chain(outer).map(|(node, to)| (node.name.as_str(), to)).collect();
        let reached = join_all(all.iter().map(|(_, to)| cx.reached_from_here(*to))).await;
        for ((node, to), reached) in all.into_iter().zip(reached) {
            if reached {
                attempts.push(Path::new(&here, Verb::Tcp { to, port }, format!("a node port of {node}")));
            } else {
                not_tried.push(format!("{to} of {node} from {here}, where not even the kubelet answers"));
            }
        }
    }
    cx.reach(attempts).leaving_out(&not_tried).stopped_by(Guard::Network).while_open(all(&outside)).await
}
