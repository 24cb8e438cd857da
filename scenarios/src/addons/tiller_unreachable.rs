//! Tiller, Helm 2's server, installs whatever anybody who reaches its port asks for, with its own rights: most often cluster-admin. Helm 3
//! has no need of it, and yet it can still be installed.
//!
//! Attempted: from a probe in each namespace, a connection to Tiller's ports on everything that looks like one (by name, labels, image or
//! port, in all namespaces) and on every node's own address. Expected: there is none, or nothing arrives. Control: where there is one, a
//! probe that no policy selects reaches it; where there is none, such a probe reaches a listener of ours on the same port.
use std::sync::Arc;

use futures::try_join;
use harness::attempt::packets::reach::Path;
use harness::cx::Cx;
use harness::probe::Probe;
use harness::probe::batch::Verb;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::{Attempted, NoVerdict};

use super::tiller::{GRPC, HTTP, candidates};

/// No pod reaches a Tiller.
pub const SCENARIO: Scenario = Scenario {
    title: "no pod reaches a Tiller",
    guidance: &[G(7, 1)],
    also: &[],
    severity: Severity::Critical,
    impact: Impact::Probe,
    scope: Scope::EachNamespace,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::SURVEY],
    attempts: |_| vec![format!("tcp {GRPC} and {HTTP} on whatever looks like a Tiller and on each node")],
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let node = cx.node()?;
    let mut survey = cx.survey();
    let services = survey.services().await?;
    let pods = survey.pods().await?;
    let ((insides, others), outside) = try_join!(cx.probes_and_neighbours(cx.namespace()?), cx.outside_probe(node))?;
    let tillers = candidates(&services, &pods);
    if !tillers.is_empty() {
        let paths = |from: &[Arc<Probe>]| {
            let answering = tillers.iter().filter_map(|tiller| Some((&tiller.name, tiller.address?)));
            let to = |(name, to)| from.iter().map(move |from| Path::new(from, Verb::Tcp { to, port: GRPC }, name));
            answering.flat_map(to).collect::<Vec<_>>()
        };
        if paths(&insides).is_empty() {
            let names: Vec<_> = tillers.iter().map(|tiller| tiller.name.as_str()).collect();
            return Err(NoVerdict::inconclusive(format!("{} may be a Tiller and has no address yet", names.join(", "))));
        }
        return cx.reach(paths(&insides)).stopped_by(Guard::Network).while_open(paths(&others)).await;
    }
    let nodes = cx.facts().nodes.iter().flat_map(|node| node.addresses.iter().filter_map(|address| Some((&node.name, address.parse().ok()?))));
    let on_nodes = nodes.flat_map(|(name, to)| [GRPC, HTTP].map(|port| (Verb::Tcp { to, port }, format!("node {name}"))));
    let on_nodes: Vec<_> = on_nodes.collect();
    let from = |inside| on_nodes.iter().map(move |(verb, node)| Path::new(inside, verb.clone(), node));
    let on_nodes: Vec<Path> = insides.iter().flat_map(from).collect();
    let listener = [GRPC, HTTP].map(|port| Path::new(&outside, Verb::Tcp { to: outside.address, port }, "our own listener"));
    survey.conclude_unless_reached("Tiller", on_nodes, listener.into()).await
}
