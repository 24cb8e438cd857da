//! Between a policy that is accepted and one that is enforced lies a time in which everything still passes. How long it is nobody
//! promises; whoever answers an incident with a policy should know.
//!
//! Attempted: TCP from pods of one namespace of the run's own to another's, on one node and across nodes, every few milliseconds while
//! a policy comes that denies it, twenty times. Expected: all refused within the suite's threshold. Control: each path is open before
//! each policy, and again when it has gone. Told besides, and decided by no specification: whether a connection from before a policy goes on under
//! it, and whether echo requests (ICMP) get through.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// A policy is enforced soon after it is accepted.
pub const SCENARIO: Scenario = Scenario {
    title: "a policy is enforced soon after it is accepted",
    guidance: &[G(5, 1), G(5, 2)],
    also: &["CIS OKE 4.3.1"],
    severity: Severity::Medium,
    impact: Impact::Probe,
    scope: Scope::Cluster,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::POLICIES],
    attempts: |_| vec!["tcp from each of three pods to another namespace's, while a policy comes and goes 20 times".into()],
    controls: |_| 0,
    pods: 9,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.enforcement().stopped_by(Guard::Network).while_opening_again().await
}
