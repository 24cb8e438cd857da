//! A policy is written once; pods come and go under it. A plug-in that learns of a new pod late leaves it open for so long.
//!
//! Attempted: TCP and UDP into and out of pods that start in a namespace of the run's own where everything is denied already. Expected:
//! nothing arrives once the suite's threshold is over. Control: the same paths are open when the policy has gone.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// A pod that starts under a policy is covered by it.
pub const SCENARIO: Scenario = Scenario {
    title: "a pod that starts under a policy is covered by it",
    guidance: &[G(5, 1), G(5, 2)],
    also: &["CIS OKE 4.3.1"],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::Cluster,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::POLICIES],
    attempts: |_| vec![TITLE.into()],
    controls: |_| 0,
    pods: 9,
    run: run!(attempt),
};

const TITLE: &str = "pods that start where nothing comes in or goes out";

async fn attempt(cx: &Cx) -> Attempted {
    cx.newcomers("new pods covered", TITLE).stopped_by(Guard::Network).while_granted().await
}
