//! A NetworkPolicy says who may talk to whom; a plug-in that reads half of it (no named ports, no ranges, no label that changes later)
//! enforces something else, and nothing tells.
//!
//! Attempted: over a hundred sets of policies, each among nine pods in three namespaces of the run's own, on one node and across nodes:
//! every path, TCP and UDP, that a plain model of the specification says is not granted; after each policy that comes, changes or goes,
//! and each label that changes. Expected: nothing arrives. Control: between the same pods, in the same look, what is granted does.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::policy_cases;

/// Grants open their own traffic, and nothing else.
pub const SCENARIO: Scenario = Scenario {
    title: "network policies let through what they grant, and nothing else",
    guidance: &[G(5, 1), G(5, 2)],
    also: &["CIS OKE 4.3.1", "CIS OKE 5.4.4"],
    severity: Severity::High,
    impact: Impact::Intrusive,
    scope: Scope::Cluster,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::POLICIES, rights::RELABEL],
    attempts: |_| policy_cases::all().into_iter().map(|case| case.title).collect(),
    controls: |_| 0,
    pods: 18,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let cases = cx.grants("policies followed", policy_cases::all()).side_by_side(2);
    cases.stopped_by(Guard::Network).while_granted().await
}
