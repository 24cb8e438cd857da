//! Namespaces are where tenants live, and by default every pod of the one reaches every pod of the other. NetworkPolicy objects
//! change that only where a plug-in enforces them; whether one does, only packets can tell.
//!
//! Attempted: TCP and UDP from a probe in one namespace to the probes of another, on its own node and across nodes, at their own addresses
//! and through a Service, for every ordered pair. Expected: nothing arrives. Control: each listener answers a connection from its own pod,
//! and the same ports answer between probes on the same nodes that no policy selects, through the same Service, too, at the same moment.
use futures::try_join;
use harness::attempt::reach::Path;
use harness::cx::Cx;
use harness::probe::Probe;
use harness::probe::batch::Verb;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::PORT;

/// Pods of one namespace do not reach those of another.
pub const SCENARIO: Scenario = Scenario {
    title: "pods of one namespace do not reach those of another",
    guidance: &[G(5, 1), G(5, 2), G(1, 2)],
    also: &["CIS OKE 4.3.2", "CIS OKE 5.4.4"],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachPair,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::SERVICE_PATHS],
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
    let (attacker, neighbour) = (cx.probe(from, cx.node()?), cx.outside_probe(cx.node()?));
    let (attacker, neighbour, targets, open) = try_join!(attacker, neighbour, cx.probes(to), cx.outside_probes())?;
    let service = cx.service_to(to, &targets, &open, &neighbour, PORT).await?;
    let (mut attempts, mut controls) = (Vec::new(), Vec::new());
    for (place, (target, open)) in targets.iter().zip(&open).enumerate() {
        for verb in service.verbs(place) {
            attempts.push(Path::between(&attacker, verb, target));
        }
        for verb in service.verbs(targets.len() + place) {
            controls.push(Path::new(&neighbour, verb, format!("{open}")));
        }
        for verb in [tcp, udp] {
            attempts.push(Path::between(&attacker, verb(target), target));
            controls.push(Path::new(target, verb(target), "itself"));
            controls.push(Path::new(&neighbour, verb(open), format!("{open}")));
        }
    }
    cx.reach(attempts).stopped_by(Guard::Network).while_open(controls).await
}

fn tcp(target: &Probe) -> Verb {
    Verb::Tcp { to: target.address, port: PORT }
}

fn udp(target: &Probe) -> Verb {
    Verb::Udp { to: target.address, port: PORT }
}
