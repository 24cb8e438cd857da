//! The cloud's resolver has the metadata service's own address, 169.254.169.254, at port 53, and the cluster's DNS asks it for every name
//! that is not the cluster's. Whoever drops the whole link-local range for every pod drops that, too: workloads then fail in ways that
//! nobody connects with a security setting, until somebody takes the setting back.
//!
//! Attempted: nothing that must be refused; what must not have happened is the cut. A name of the cluster and one outside are asked for
//! through the pod's own resolver, from a probe in each namespace. Expected: the first has an address, the second is answered, be it with
//! "no such name"; where nobody hears of names outside, not even a probe that no policy selects, there is nothing to cut. Control: the same questions to an address where no name server is stay without an answer.
use harness::attempt::packets::names::Name;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// Names still resolve.
pub const SCENARIO: Scenario = Scenario {
    title: "closing the metadata endpoint has not cut DNS",
    guidance: &[G(4, 5), G(5, 5)],
    also: &[],
    severity: Severity::Medium,
    impact: Impact::Probe,
    scope: Scope::EachNamespace,
    needs: &[rights::PROBES, rights::EXEC],
    attempts: |_| vec!["a name of the cluster and one outside, through the pod's own resolver".into()],
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

/// The second is reserved for documentation (RFC 2606): its owner expects to be asked by strangers.
const NAMES: [Name; 2] = [Name::InCluster("kubernetes.default.svc"), Name::Outside("example.com")];

async fn attempt(cx: &Cx) -> Attempted {
    let probe = cx.probe(cx.namespace()?, cx.node()?).await?;
    cx.names_resolve(&probe, &NAMES).await
}
