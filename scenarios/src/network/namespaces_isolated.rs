//! Namespaces are where tenants live, and by default every pod of the one reaches every pod of the other. NetworkPolicy objects
//! change that only where a plug-in enforces them; whether one does, only packets can tell.
//!
//! Attempted: TCP and UDP from probes in one namespace to those of another, from a node of each pool to a node of each, at all of their addresses
//! and through a Service, for every ordered pair; on a port of the probes' own and on those that pods, Services and policies in scope name, for
//! what a policy opens by accident is one of these (the most named first; what is left out is told). Expected: nothing arrives. Control: each
//! listener answers a connection from its own pod, and the same ports answer between probes on the same nodes that no policy selects, through
//! the same Service, too, at the same moment.
use futures::try_join;
use harness::attempt::packets::reach::Path;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{PORT, all_of};

/// Pods of one namespace do not reach those of another.
pub const SCENARIO: Scenario = Scenario {
    title: "pods of one namespace do not reach those of another",
    guidance: &[G(5, 1), G(5, 2), G(1, 2)],
    also: &["CIS OKE 4.3.2", "CIS OKE 5.4.4"],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachPair,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::SERVICE_PATHS, rights::NAMED_PORTS],
    attempts: |_| {
        let ways = ["", ", through a Service"];
        let to = |way| ["tcp", "udp"].map(|protocol| format!("{protocol} to each probe of the other namespace, port {PORT}{way}"));
        ways.into_iter().flat_map(to).collect()
    },
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let (from, to) = (cx.namespace()?, cx.other_namespace()?);
    // On each pool, one of either: what one node stops on its way out, another need not.
    let ((attackers, neighbours), (targets, open)) =
        try_join!(cx.probes_and_neighbours(from), cx.probes_and_neighbours(to))?;
    let service = cx.service_to(to, &targets, &open, &neighbours, PORT).await?;
    // What a policy opens by accident is a port that somebody names.
    let named = cx.named_ports()?;
    let verbs = all_of(named);
    let (mut attempts, mut controls) = (Vec::new(), Vec::new());
    for (attacker, neighbour) in attackers.iter().zip(&neighbours) {
        for (place, (target, open)) in targets.iter().zip(&open).enumerate() {
            for verb in service.verbs(place) {
                attempts.push(Path::between(attacker, verb, target));
            }
            for verb in service.verbs(targets.len() + place) {
                controls.push(Path::new(neighbour, verb, format!("{open}")));
            }
            // On a cluster with IPv4 and IPv6, a policy must hold for both.
            for to in target.addresses().filter(|to| attacker.address_like(*to).is_some()) {
                let open_to = open.address_like(to).unwrap_or(open.address);
                for verb in &verbs {
                    attempts.push(Path::between(attacker, verb(to), target));
                    controls.push(Path::new(target, verb(to), "itself"));
                    controls.push(Path::new(neighbour, verb(open_to), format!("{open}")));
                }
            }
        }
    }
    cx.reach(attempts).at_named(named).stopped_by(Guard::Network).while_open(controls).await
}
