//! Pod Security is kept by a label of the namespace, policies by their bindings, and a policy engine's by its own objects: whoever may change
//! those decides what is kept.
//!
//! Attempted: as the one who deploys in each namespace, setting its Pod Security label, unbinding or rewriting the policies in the API server
//! and the webhooks beside it, below 1.25 PodSecurityPolicies, and, where an engine's kinds are served, doing away with its policies or making
//! an exception to them. Expected: RBAC refuses each. Control: the token is accepted, each refusal names it with what it asked for, and the
//! API server serves every one of them.
use harness::attempt::api::ask::{Ask, Resource};
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
    pods: 0,
    run: run!(attempt),
};

/// A name that no object has: what is let through changes nothing.
const NOBODY: &str = "oke-conformance-nobody";

fn asks(facts: &ClusterFacts, namespace: &str) -> Vec<Ask> {
    let there = |part: &str| facts.admission.iter().any(|known| known == part);
    let admission = |name| Resource::of("admissionregistration.k8s.io", "v1", name);
    let label = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "privileged" } } });
    let whole = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace, "labels": label["metadata"]["labels"] } });
    let namespaces = Resource::core("namespaces");
    let labels = [Ask::patch(namespaces, label), Ask::update(namespaces, whole)].map(|ask| ask.named(namespace));
    let webhooks = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"].map(admission);
    let policies = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"].map(admission);
    let policies = policies.into_iter().filter(|_| there("ValidatingAdmissionPolicy"));
    // What is made safe on its way in is kept by those that make it so; served in v1 since 1.36.
    let mutating = ["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"].map(admission);
    let policies = policies.chain(mutating.into_iter().filter(|_| there("MutatingAdmissionPolicy")));
    let old = Resource::of("policy", "v1beta1", "podsecuritypolicies");
    let mut asks = Vec::from(labels);
    asks.extend(webhooks.into_iter().chain(policies).chain(psp::known(facts).then_some(old)).flat_map(changes));
    if there("Gatekeeper") {
        asks.extend(changes(Resource::of("templates.gatekeeper.sh", "v1", "constrainttemplates")));
    }
    if there("Kyverno") {
        asks.extend(of_kyverno(namespace));
    }
    asks
}

/// Its kinds have come and gone: each is asked for where it is served, in the version in which it is.
fn of_kyverno(namespace: &str) -> Vec<Ask> {
    let own = |name| (Resource::of("kyverno.io", "v1", name), &["v1"] as &[&str]);
    // The same in the words of admission policies, since 1.14.
    let of_cel = |name| (Resource::of("policies.kyverno.io", "v1", name), &["v1", "v1beta1", "v1alpha1"] as &[&str]);
    let mut asks = Vec::new();
    for (kind, versions) in [own("clusterpolicies"), of_cel("validatingpolicies"), of_cel("imagevalidatingpolicies")] {
        asks.extend(changes(kind).map(|ask| ask.in_any_of(versions)));
    }
    let in_namespace =
        [own("policies"), of_cel("namespacedvalidatingpolicies"), of_cel("namespacedimagevalidatingpolicies")];
    for (kind, versions) in in_namespace {
        asks.extend(changes(kind).map(|ask| ask.in_any_of(versions).in_namespace(namespace)));
    }
    // One of one's own, for one's own pods.
    let exceptions = (Resource::of("kyverno.io", "v2", "policyexceptions"), &["v2", "v2beta1"] as &[&str]);
    for (kind, versions) in [exceptions, of_cel("policyexceptions")] {
        asks.push(Ask::create(kind, json!({})).in_any_of(versions).in_namespace(namespace));
    }
    asks
}

/// Each by itself is enough.
fn changes(kind: Resource) -> [Ask; 3] {
    [Ask::delete(kind), Ask::patch(kind, json!({})), Ask::update(kind, json!({}))].map(|ask| ask.named(NOBODY))
}

async fn attempt(cx: &Cx) -> Attempted {
    let asks = asks(cx.facts(), cx.namespace()?);
    cx.access_as_deployer(asks).await?.refused_by(&[Guard::Rbac]).while_served_and_known().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(engines: &[&str]) -> Vec<String> {
        let admission = engines.iter().map(ToString::to_string).collect();
        let facts = ClusterFacts { admission, version: "v1.37.2".into(), ..ClusterFacts::default() };
        asks(&facts, "a").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn policies_that_mutate_are_asked_for_where_they_are_served() {
        let (without, with) = (told(&["ValidatingAdmissionPolicy"]), told(&["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"]));
        let more: Vec<&String> = with.iter().filter(|ask| !without.contains(ask)).collect();
        let expected = ["policies", "policybindings"].map(|kind| ["delete", "patch", "update"].map(|verb| format!("{verb} mutatingadmission{kind}")));
        assert_eq!(more, expected.iter().flatten().collect::<Vec<_>>());
    }

    #[test]
    fn an_engine_that_is_there_is_asked_too() {
        let built_in = told(&["Pod Security Admission", "ValidatingAdmissionPolicy"]);
        let both = told(&["Pod Security Admission", "ValidatingAdmissionPolicy", "Gatekeeper", "Kyverno"]);
        assert_eq!(both[..built_in.len()], built_in);
        let changed = [
            "constrainttemplates",
            "clusterpolicies",
            "validatingpolicies",
            "imagevalidatingpolicies",
            "policies",
            "namespacedvalidatingpolicies",
            "namespacedimagevalidatingpolicies",
        ];
        let changed = changed.iter().flat_map(|kind| ["delete", "patch", "update"].map(|verb| format!("{verb} {kind}")));
        let made = ["create policyexceptions"; 2].map(str::to_owned);
        assert_eq!(both[built_in.len()..], changed.chain(made).collect::<Vec<_>>());
    }
}
