//! The Dashboard acts with its own service account or with whatever token is pasted into it, behind one login page. On the internet it
//! is the cluster's front door; upstream has retired it, so no hole in it will be mended.
//!
//! Attempted: finding a Dashboard, by name, label, image or selector, behind a Service of type LoadBalancer or NodePort, with external
//! addresses, behind an Ingress or an HTTPRoute, there or in another namespace, by its own name or by a Service that stands for it, or on a port of
//! its node, in all namespaces. Expected: none. Where there is one, and the cluster serves routes of kinds that are not known here (the evidence
//! names them), nothing is proved. Control: the same lists hold what every cluster has.
use harness::attempt::api::survey::Finding;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::{Attempted, NoVerdict};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;

use super::dashboard::{OTHER_ROUTES, backends, exposure, host_ports, is_pod, is_service, routed, stands_for};

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
    controls: |_| 10,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let mut survey = cx.survey();
    let services = survey.services().await?;
    let pods = survey.pods().await?;
    let ingresses: Vec<Ingress> = survey.all().await?;
    let mut routes = survey.custom("gateway.networking.k8s.io/v1", "httproutes").await?;
    if routes.is_empty() {
        // Gateway API before 1.0.
        routes = survey.custom("gateway.networking.k8s.io/v1beta1", "httproutes").await?;
    }
    let unread = survey.unread(&OTHER_ROUTES).await?;
    let dashboards: Vec<&Pod> = pods.iter().filter(|pod| is_pod(pod)).collect();
    let mut leading: Vec<&Service> = services.iter().filter(|service| is_service(service, &dashboards)).collect();
    let standing_in: Vec<&Service> = services.iter().filter(|service| leading.iter().any(|dashboard| stands_for(service, dashboard))).collect();
    leading.extend(standing_in);
    let mut found = Vec::new();
    for service in &leading {
        let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
        if let Some(how) = exposure(service) {
            found.push(Finding::new("service", *service, format!("exposes a Dashboard {how}")));
        }
        let here = |object: Option<String>| object.as_deref() == Some(namespace.as_str());
        for ingress in ingresses.iter().filter(|ingress| here(ingress.namespace()) && backends(ingress).contains(&name)) {
            found.push(Finding::new("ingress", ingress, format!("leads to the Dashboard {name}")));
        }
        for route in routes.iter().filter(|route| routed(route).contains(&(namespace.clone(), name.clone()))) {
            let of = |key: &str| route["metadata"][key].as_str().unwrap_or_default().to_owned();
            let what = format!("leads to the Dashboard {namespace}/{name}");
            found.push(Finding { name: format!("httproute {}/{}", of("namespace"), of("name")), what });
        }
    }
    for pod in &dashboards {
        let ports: Vec<String> = host_ports(pod).iter().map(ToString::to_string).collect();
        if !ports.is_empty() {
            found.push(Finding::new("pod", *pod, format!("is a Dashboard on port {} of its node", ports.join(", "))));
        }
    }
    if found.is_empty() && !unread.is_empty() && !(leading.is_empty() && dashboards.is_empty()) {
        let why = format!("there is a Dashboard, and what leads to it from outside may be of kinds that are not known here: {}", unread.join(", "));
        return Err(NoVerdict::inconclusive(why));
    }
    survey.conclude("exposed Dashboard", found)
}
