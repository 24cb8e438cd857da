//! Without a bound on the number of pods one namespace can fill every node, starve its neighbours and bury the API server.
//!
//! Attempted: one pod more than the quota allows. Filling the namespace itself would stop its owners, so the pods go, never scheduled,
//! into a namespace of the run's own under the same quota with room for one. Expected: the second is refused, "exceeded quota". Control:
//! the first is admitted, and the namespace in scope has a quota that bounds pods and that the quota controller keeps.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// A namespace cannot hold more pods than its quota.
pub const SCENARIO: Scenario = Scenario {
    title: "a namespace cannot hold more pods than its quota",
    guidance: &[G(6, 2)],
    also: &["CIS OKE 4.5.1"],
    severity: Severity::Medium,
    impact: Impact::Probe,
    scope: Scope::EachNamespace,
    needs: &[rights::QUOTAS],
    attempts: |_| vec!["a second pod under a quota of one".into()],
    controls: |_| 10,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.one_pod_over_quota().await
}
