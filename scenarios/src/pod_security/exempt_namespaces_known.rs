//! One namespace that admits everything is enough: whoever may create pods there has left the standards behind. Some must be, for the
//! cluster's own parts; each of them should be known by name.
//!
//! Attempted: whatever gives a pod its node (privileged, the host's processes, memory, network, directories) in every namespace there is, the
//! system's own among them, as the operator, as dry runs. Expected: all of it is refused in each but those on the suite's allow-list. Control:
//! the pod without it is admitted in each that refuses.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::OWNING_THE_NODE;
use harness::verdict::Attempted;

use super::ENGINES;

/// Namespaces that admit privileged pods are known by name.
pub const SCENARIO: Scenario = Scenario {
    title: "namespaces that admit privileged pods are known by name",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["CIS OKE 4.2.1"],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::Cluster,
    needs: &[rights::PODS],
    attempts: |facts| {
        let all = facts.namespaces.iter().chain(&facts.out_of_scope);
        let what = |namespace: &String| OWNING_THE_NODE.iter().filter_map(|control| control.attempts(facts.minor()).into_iter().next()).map(|what| format!("{namespace}: {what}")).collect::<Vec<_>>();
        all.flat_map(what).collect()
    },
    controls: |facts| facts.namespaces.len() + facts.out_of_scope.len() + 1,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.exemptions(&OWNING_THE_NODE)?.denied_by(ENGINES).while_admitting_the_rest().await
}
