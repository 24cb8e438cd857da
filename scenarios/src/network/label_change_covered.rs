//! Policies mean pods and namespaces by their labels, and labels change while pods run. A plug-in that looks once enforces yesterday.
//!
//! Attempted: every path that is no longer granted after a pod has come under a policy, a friend has become a stranger, a namespace is
//! trusted no more. Expected: nothing arrives. Control: the same paths are open while the labels grant them.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::policy_cases;

/// A label that changes changes what is let through.
pub const SCENARIO: Scenario = Scenario {
    title: "a label that changes changes what is let through",
    guidance: &[G(5, 1), G(5, 2)],
    also: &["CIS OKE 4.3.1"],
    severity: Severity::High,
    impact: Impact::Intrusive,
    scope: Scope::Cluster,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::POLICIES, rights::RELABEL],
    attempts: |_| policy_cases::labels().into_iter().map(|case| case.title).collect(),
    controls: |_| 0,
    pods: 9,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.grants("labels followed", policy_cases::labels()).stopped_by(Guard::Network).while_granted().await
}
