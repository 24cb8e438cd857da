//! Pod Security is kept by a label of the namespace, and policies by their bindings: whoever may change those decides what is kept.
//!
//! Attempted: as the one who deploys in each namespace, setting its Pod Security label, and unbinding or rewriting the policies in the API server
//! and the webhooks beside it, and below 1.25 PodSecurityPolicies. Expected: RBAC refuses each. Control: the token is accepted, each refusal names it with what it asked for,
//! and the API server serves every one of them.
use harness::attempt::ask::{Ask, Resource};
use harness::cx::Cx;
use harness::record::ClusterFacts;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;
use serde_json::json;

use super::psp;

/// Who deploys in a namespace does not decide what is kept there.
pub const SCENARIO: Scenario = Scenario {
    title: "who deploys in a namespace does not decide what is kept there",
    guidance: &[G(3, 5), G(2, 3)],
    also: &[],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER],
    attempts: |facts| asks(facts, "NAMESPACE").iter().map(ToString::to_string).collect(),
    controls: |_| 2,
    run: run!(attempt),
};

/// A name that no object has: what is let through changes nothing.
const NOBODY: &str = "oke-conformance-nobody";

fn asks(facts: &ClusterFacts, namespace: &str) -> Vec<Ask> {
    let there = |part: &str| facts.admission.iter().any(|known| known == part);
    let admission = |name| Resource::of("admissionregistration.k8s.io", "v1", name);
    let label = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "privileged" } } });
    let webhooks = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"].map(admission);
    let policies = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"].map(admission);
    let policies = policies.into_iter().filter(|_| there("ValidatingAdmissionPolicy"));
    let old = Resource::of("policy", "v1beta1", "podsecuritypolicies");
    let all = webhooks.into_iter().chain(policies).chain(psp::known(facts).then_some(old));
    let changes = all.flat_map(|kind| [Ask::delete(kind).named(NOBODY), Ask::patch(kind, json!({})).named(NOBODY)]);
    [Ask::patch(Resource::core("namespaces"), label).named(namespace)].into_iter().chain(changes).collect()
}

async fn attempt(cx: &Cx) -> Attempted {
    let asks = asks(cx.facts(), cx.namespace()?);
    cx.access_as_deployer(asks).await?.refused_by(&[Guard::Rbac]).while_served_and_known().await
}
