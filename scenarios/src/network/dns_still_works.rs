//! A default-deny policy that grants no DNS cuts every name: workloads fail in ways that look like anything but a policy, and somebody takes
//! the policy away. The minimum set of rules must stay.
//!
//! Attempted: nothing that must be refused; what must not have happened is the cut. A Service of the cluster is asked for by name through
//! the pod's own resolver, from a probe in each namespace. Expected: it has an address. Control: the same question to an address where no
//! name server is stays without an answer.
use harness::attempt::packets::names::Name;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// Services still have names.
pub const SCENARIO: Scenario = Scenario {
    title: "network policies have not cut the cluster's DNS",
    guidance: &[G(5, 5)],
    also: &[],
    severity: Severity::Medium,
    impact: Impact::Probe,
    scope: Scope::EachNamespace,
    needs: &[rights::PROBES, rights::EXEC],
    attempts: |_| vec!["a Service of the cluster by name, through the pod's own resolver".into()],
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

/// Every cluster has this one.
const NAMES: [Name; 1] = [Name::InCluster("kubernetes.default.svc")];

async fn attempt(cx: &Cx) -> Attempted {
    let probe = cx.probe(cx.namespace()?, cx.node()?).await?;
    cx.names_resolve(&probe, &NAMES).await
}
