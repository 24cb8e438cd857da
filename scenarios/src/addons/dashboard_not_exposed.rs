//! The Dashboard acts with its own service account or with whatever token is pasted into it, behind one login page. On the internet it
//! is the cluster's front door; upstream has retired it, so no hole in it will be mended.
//!
//! Attempted: finding a Dashboard, by name, label, image or selector, behind a Service of type LoadBalancer or NodePort, with external
//! addresses, or behind an Ingress, in all namespaces. Expected: none. Control: the same lists hold what every cluster has.
use harness::cx::Cx;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;

use super::dashboard::{backends, exposure, is_pod, is_service};

/// No Dashboard is reachable from outside.
pub const SCENARIO: Scenario = Scenario {
    title: "no Dashboard is exposed outside the cluster",
    guidance: &[G(7, 2), G(7, 3)],
    also: &[],
    severity: Severity::Critical,
    impact: Impact::Observe,
    scope: Scope::Cluster,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let mut survey = cx.survey();
    let services = survey.services().await?;
    let pods: Vec<Pod> = survey.all().await?;
    let ingresses: Vec<Ingress> = survey.all().await?;
    let dashboards: Vec<Pod> = pods.into_iter().filter(is_pod).collect();
    let mut found = Vec::new();
    for service in services.iter().filter(|service| is_service(service, &dashboards)) {
        let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
        if let Some(how) = exposure(service) {
            found.push(format!("service {namespace}/{name} exposes a Dashboard {how}"));
        }
        let leading_here = ingresses.iter().filter(|ingress| ingress.namespace() == service.namespace() && backends(ingress).contains(&name));
        found.extend(leading_here.map(|ingress| format!("ingress {namespace}/{} leads to the Dashboard {name}", ingress.name_any())));
    }
    survey.conclude("exposed Dashboard", found)
}
