//! A pod that names no service account runs as its namespace's `default`, and unless somebody opted out its token is mounted there.
//! Whatever that account may do, every pod of the namespace may do, and so may whoever breaks into one.
//!
//! Attempted: with a real token of each namespace's `default` account, every verb and resource that matters: reading secrets, creating
//! pods, binding roles, minting tokens, exec, the kubelet's proxy, impersonation; and whatever else the API server lists for it, there and in
//! the other namespaces in scope: a right to one secret by its name, to a kind of the cluster's own, to a neighbour's pods. Expected: RBAC
//! refuses each, and nothing is listed beyond what everybody may. Control: the token is accepted, as that account; each refusal names it with
//! the verb and resource that it asked for; and the API server serves every one of them, so that a grant is all that was missing.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::matrix;

/// The default service account may do nothing.
pub const SCENARIO: Scenario = Scenario {
    title: "the default service account may do nothing",
    guidance: &[G(2, 3), G(2, 4)],
    also: &["CIS OKE 4.1.5"],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEFAULT_ACCOUNT],
    attempts: |_| matrix::asks("NAMESPACE").iter().map(ToString::to_string).collect(),
    controls: |_| matrix::CONTROLS,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let asks = matrix::asks(cx.namespace()?);
    cx.access_as("default", asks).await?.and_nothing_else(cx)?.refused_by(&[Guard::Rbac]).while_served_and_known().await
}
