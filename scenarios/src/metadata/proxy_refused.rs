//! Who cannot get to the metadata endpoint may have somebody else get there for him: the API server proxies to Services, pods and nodes, a
//! kubelet proxies to what its node reaches, and a Service without a selector leads wherever its endpoints say.
//!
//! Attempted: the proxies of services, pods and nodes, and Endpoints and an EndpointSlice that name 169.254.169.254, as the one who deploys
//! in each namespace, as dry runs and at names that no object has. Expected: RBAC refuses each, or, for endpoints, the API server takes no
//! link-local address. Whoever may not ask for `services/proxy` may not for a Service of type ExternalName either; what an ingress controller
//! makes of such a Service, whose name may be an address, is not asked here. Control: the token is accepted as that account, each refusal names
//! it and what it asked for, and the API server serves all of it.
use harness::attempt::api::ask::{Ask, Resource};
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;
use serde_json::json;

use super::ENDPOINT;

/// Nobody gets there by proxy.
pub const SCENARIO: Scenario = Scenario {
    title: "nothing proxies to the metadata endpoint for tenants",
    guidance: &[G(4, 4), G(4, 5)],
    also: &[],
    severity: Severity::High,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER],
    attempts: |_| asks("NAMESPACE").iter().map(ToString::to_string).collect(),
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

/// A name that no object has.
const NOBODY: &str = "oke-conformance-nobody";

fn asks(namespace: &str) -> Vec<Ask> {
    let proxy = |of| Ask::get(Resource::core(of), "").named(NOBODY);
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": { "name": NOBODY },
        "subsets": [{ "addresses": [{ "ip": ENDPOINT }], "ports": [{ "port": 80 }] }],
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": { "name": NOBODY },
        "addressType": "IPv4", "endpoints": [{ "addresses": [ENDPOINT] }], "ports": [{ "port": 80 }],
    });
    vec![
        proxy("services/proxy").in_namespace(namespace),
        proxy("pods/proxy").in_namespace(namespace),
        proxy("nodes/proxy"),
        Ask::create(Resource::core("endpoints"), endpoints).in_namespace(namespace).invalid_for("link-local"),
        Ask::create(Resource::of("discovery.k8s.io", "v1", "endpointslices"), slice)
            .in_namespace(namespace)
            .invalid_for("link-local"),
    ]
}

async fn attempt(cx: &Cx) -> Attempted {
    let asks = asks(cx.namespace()?);
    cx.access_as_deployer(asks).await?.refused_by(&[Guard::Rbac, Guard::Validation]).while_served_and_known().await
}
