//! One namespace that admits everything is enough: whoever may create pods there has left the standards behind. Some must be, for the
//! cluster's own parts; each of them should be known by name.
//!
//! Attempted: a privileged pod in every namespace there is, the system's own among them, as the operator, as a dry run. Expected: it is
//! refused in each but those on the suite's allow-list. Control: the pod without it is admitted in each that refuses.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{ENGINES, privileged};

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
        all.map(|namespace| format!("{namespace}: securityContext/privileged = true")).collect()
    },
    controls: |facts| facts.namespaces.len() + facts.out_of_scope.len() + 1,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let pod = cx.plain_pod_in("default")?;
    cx.exemptions(privileged(pod.clone())).denied_by(ENGINES).while_admitting(pod).await
}
