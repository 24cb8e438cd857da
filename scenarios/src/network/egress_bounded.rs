//! What a pod may send outside the cluster is what it can leak, and what it can fetch. Egress is open by default; a policy bounds it, where
//! a plug-in enforces one.
//!
//! Attempted: TCP from a probe in each namespace to each endpoint outside the cluster that conformance.toml names as `outside`. Expected:
//! no connection. Control: a probe on the same node that no policy selects connects at the same moment.
use std::net::SocketAddr;
use std::sync::Arc;

use harness::attempt::packets::reach::Path;
use harness::cx::Cx;
use harness::probe::Probe;
use harness::probe::batch::Verb;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// Egress is bounded.
pub const SCENARIO: Scenario = Scenario {
    title: "pods do not reach what is outside the cluster",
    guidance: &[G(5, 1), G(4, 2)],
    also: &["CIS OKE 5.4.4"],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachNamespace,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| vec!["tcp to each endpoint outside the cluster that conformance.toml names".into()],
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let endpoints = cx.endpoints_outside()?;
    let (inside, outside) = cx.probes_and_neighbours(cx.namespace()?).await?;
    let paths = |from: &[Arc<Probe>]| {
        let verb = |endpoint: &SocketAddr| Verb::Tcp { to: endpoint.ip(), port: endpoint.port() };
        let of = |from| endpoints.iter().map(move |endpoint| Path::new(from, verb(endpoint), "outside the cluster"));
        from.iter().flat_map(of).collect()
    };
    cx.reach(paths(&inside)).stopped_by(Guard::Network).while_open(paths(&outside)).await
}
