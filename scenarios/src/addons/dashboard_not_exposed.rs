//! The Dashboard acts with its own service account or with whatever token is pasted into it, behind one login page. On the internet it
//! is the cluster's front door; upstream has retired it, so no hole in it will be mended.
//!
//! Attempted: finding a Dashboard, by name, label, image or selector, behind a Service of type LoadBalancer or NodePort, with external
//! addresses, behind an Ingress or an HTTPRoute, or on a port of its node, in all namespaces. Expected: none. Control: the same lists hold what every cluster has.
use harness::attempt::api::survey::Finding;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use serde_json::Value;

use super::dashboard::{backends, exposure, host_ports, is_pod, is_service, routed};

/// No Dashboard is reachable from outside.
pub const SCENARIO: Scenario = Scenario {
    title: "no Dashboard is exposed outside the cluster",
    guidance: &[G(7, 2), G(7, 3)],
    also: &[],
    severity: Severity::Critical,
    impact: Impact::Observe,
    scope: Scope::Cluster,
    needs: &[rights::SURVEY, rights::ROUTES],
    attempts: |_| vec!["list services, pods, ingresses and httproutes".into()],
    controls: |_| 8,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let mut survey = cx.survey();
    let services = survey.services().await?;
    let pods = survey.pods().await?;
    let ingresses: Vec<Ingress> = survey.all().await?;
    let routes = survey.custom("gateway.networking.k8s.io/v1", "httproutes").await?;
    let dashboards: Vec<&Pod> = pods.iter().filter(|pod| is_pod(pod)).collect();
    let mut found = Vec::new();
    for service in services.iter().filter(|service| is_service(service, &dashboards)) {
        let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
        if let Some(how) = exposure(service) {
            found.push(Finding::new("service", service, format!("exposes a Dashboard {how}")));
        }
        let here = |object: Option<String>| object.as_deref() == Some(namespace.as_str());
        for ingress in ingresses.iter().filter(|ingress| here(ingress.namespace()) && backends(ingress).contains(&name)) {
            found.push(Finding::new("ingress", ingress, format!("leads to the Dashboard {name}")));
        }
        let metadata = |route: &Value, key: &str| route["metadata"][key].as_str().map(str::to_owned);
        for route in routes.iter().filter(|route| here(metadata(route, "namespace")) && routed(route).contains(&name)) {
            let route = metadata(route, "name").unwrap_or_default();
            let what = format!("leads to the Dashboard {name}");
            found.push(Finding { name: format!("httproute {namespace}/{route}"), what });
        }
    }
    for pod in &dashboards {
        let ports: Vec<String> = host_ports(pod).iter().map(ToString::to_string).collect();
        if !ports.is_empty() {
            found.push(Finding::new("pod", *pod, format!("is a Dashboard on port {} of its node", ports.join(", "))));
        }
    }
    survey.conclude("exposed Dashboard", found)
}
