//! Version 1 of the metadata service, and OpenStack's paths besides, answer requests without any header. A web application that can be
//! talked into fetching a URL fetches the node's identity there; version 2 asks for a header that such a request has not got.
//!
//! Attempted: `/opc/v1` and `/openstack`, on each node: the switch is one of each instance, and changing it for a pool changes only the
//! instances that are made afterwards. Expected: 404 (docs: Compute, "Instance Metadata"; OKE, "Disabling the legacy IMDS endpoints"). Any
//! other error says nothing: the service is busy at times. Control: version 2 answers the same probe with 200 at the same moment. The
//! probe is one that no policy selects or, where the cluster stops every pod, one on the node's own network.
use harness::attempt::packets::reach::Path;
use harness::cx::Cx;
use harness::probe::batch::Verb;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{CONNECT, DOCUMENT, ENDPOINT, NAME};

/// Version 1 is off.
pub const SCENARIO: Scenario = Scenario {
    title: "version 1 of the metadata service is off",
    guidance: &[G(4, 4), G(4, 5)],
    also: &[],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachNode,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| LEGACY.iter().map(ToString::to_string).collect(),
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

const LEGACY: [Verb; 4] = [
    legacy("/opc/v1/instance/"),
    legacy("/opc/v1/identity/cert.pem"),
    legacy("/openstack/latest/meta_data.json"),
    legacy("/openstack/latest/user_data"),
];

const fn legacy(path: &'static str) -> Verb {
    Verb::Digest { to: ENDPOINT, port: 80, path, headers: &[] }
}

async fn attempt(cx: &Cx) -> Attempted {
    let probe = cx.witness(cx.node()?, CONNECT).await?;
    let paths = LEGACY.map(|verb| Path::new(&probe, verb, NAME));
    let control = Path::new(&probe, DOCUMENT, NAME).answering(200);
    cx.requests(paths.into(), 404).withheld_by(Guard::Cloud).while_answering(control).await
}
