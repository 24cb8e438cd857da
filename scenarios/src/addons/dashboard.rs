//! What gives a Kubernetes Dashboard away, and what exposes it.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressBackend};
use kube::ResourceExt;
use serde_json::Value;

/// Whether a pod is a Dashboard: by the labels of its releases (1.x, 2.x, 7.x) or by its image.
pub fn is_pod(pod: &Pod) -> bool {
    let images = pod.spec.iter().flat_map(|spec| &spec.containers).filter_map(|container| container.image.as_deref());
    is_labelled(pod.labels()) || images.into_iter().any(is_image)
}

fn is_labelled(labels: &BTreeMap<String, String>) -> bool {
    let is = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
    is("k8s-app", "kubernetes-dashboard")
        || is("app.kubernetes.io/part-of", "kubernetes-dashboard")
        || is("app.kubernetes.io/name", "kubernetes-dashboard")
}

/// `kubernetesui/dashboard:v2.7.0`, `k8s.gcr.io/kubernetes-dashboard-amd64:v1.10.1`.
fn is_image(image: &str) -> bool {
    let name = image.split('@').next().unwrap_or_default();
    name.contains("kubernetes-dashboard") || name.contains("kubernetesui/dashboard")
}

/// Whether a Service leads to a Dashboard: by name, by label, or because it selects one in its namespace.
pub fn is_service(service: &Service, dashboards: &[&Pod]) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
    let selects = |pod: &Pod| {
        let all = selector.iter().all(|(key, value)| pod.labels().get(key) == Some(value));
        !selector.is_empty() && pod.namespace() == service.namespace() && all
    };
    service.name_any().starts_with("kubernetes-dashboard")
        || is_labelled(service.labels())
        || dashboards.iter().any(|pod| selects(pod))
}

/// How a Service can be reached from outside the cluster; `None` where it cannot.
pub fn exposure(service: &Service) -> Option<String> {
    let spec = service.spec.as_ref()?;
    let ports: Vec<String> =
        spec.ports.iter().flatten().filter_map(|port| port.node_port).map(|port| port.to_string()).collect();
    match spec.type_.as_deref() {
        Some("NodePort") => Some(format!("as NodePort {}", ports.join(", "))),
        Some("LoadBalancer") => Some(format!("as LoadBalancer, NodePort {}", ports.join(", "))),
        _ => {
            let addresses = spec.external_ips.clone().unwrap_or_default();
            (!addresses.is_empty()).then(|| format!("by externalIPs {}", addresses.join(", ")))
        }
    }
}

/// The Services that an Ingress leads to.
pub fn backends(ingress: &Ingress) -> Vec<String> {
    let Some(spec) = &ingress.spec else { return Vec::new() };
    let paths = spec.rules.iter().flatten().filter_map(|rule| rule.http.as_ref()).flat_map(|http| &http.paths);
    let backends = spec.default_backend.iter().chain(paths.map(|path| &path.backend));
    backends
        .filter_map(|backend: &IngressBackend| backend.service.as_ref())
        .map(|service| service.name.clone())
        .collect()
}

/// The Services that an HTTPRoute (Gateway API) leads to, with their namespaces: its own where it names none.
pub fn routed(route: &Value) -> Vec<(String, String)> {
    let home = route["metadata"]["namespace"].as_str().unwrap_or_default();
    let rules = route["spec"]["rules"].as_array().into_iter().flatten();
    let backends = rules.flat_map(|rule| rule["backendRefs"].as_array().into_iter().flatten());
    let services = backends.filter(|backend| matches!(backend["kind"].as_str(), None | Some("Service")));
    services
        .filter_map(|backend| {
            Some((backend["namespace"].as_str().unwrap_or(home).to_owned(), backend["name"].as_str()?.to_owned()))
        })
        .collect()
}

/// Whether a Service of type ExternalName is another name of `dashboard`.
pub fn stands_for(service: &Service, dashboard: &Service) -> bool {
    let external = service.spec.as_ref().filter(|spec| spec.type_.as_deref() == Some("ExternalName"));
    let named = external.and_then(|spec| spec.external_name.as_deref()).unwrap_or_default();
    let mut words = named.split('.');
    words.next() == Some(&dashboard.name_any()) && words.next() == dashboard.namespace().as_deref()
}

/// API groups of what leads from outside to Services by kinds of its own: Traefik (and its name before 2.10), Istio, OpenShift, Contour, Ambassador,
/// NGINX's own controller, Kong, APISIX.
pub const OTHER_ROUTES: [&str; 9] = [
    "traefik.io",
    "traefik.containo.us",
    "networking.istio.io",
    "route.openshift.io",
    "projectcontour.io",
    "getambassador.io",
    "k8s.nginx.org",
    "configuration.konghq.com",
    "apisix.apache.org",
];

/// The ports of its node that a pod takes for itself.
pub fn host_ports(pod: &Pod) -> Vec<i32> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let ports = spec.containers.iter().flat_map(|container| container.ports.iter().flatten());
    let on_host = spec.host_network == Some(true);
    ports.filter_map(|port| port.host_port.or(on_host.then_some(port.container_port))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::old(json!({ "metadata": { "labels": { "k8s-app": "kubernetes-dashboard" } } }), true)]
    #[case::helm(json!({ "metadata": { "labels": { "app.kubernetes.io/part-of": "kubernetes-dashboard" } } }), true)]
    #[case::image(json!({ "spec": { "containers": [{ "name": "a", "image": "docker.io/kubernetesui/dashboard:v2.7.0" }] } }), true)]
    #[case::other(json!({ "metadata": { "labels": { "app": "dashboard" } }, "spec": { "containers": [{ "name": "a", "image": "grafana/grafana:1" }] } }), false)]
    fn which_pod(#[case] pod: Value, #[case] expected: bool) {
        assert_eq!(is_pod(&serde_json::from_value(pod).unwrap()), expected);
    }

    #[rstest]
    #[case::name("kubernetes-dashboard", json!({}), "x", true)]
    #[case::selector("web", json!({ "selector": { "a": "b" } }), "x", true)]
    #[case::elsewhere("web", json!({ "selector": { "a": "b" } }), "y", false)]
    #[case::selects_nothing("web", json!({ "selector": {} }), "x", false)]
    fn which_service(#[case] name: &str, #[case] spec: Value, #[case] namespace: &str, #[case] expected: bool) {
        let pod: Pod =
            serde_json::from_value(json!({ "metadata": { "namespace": "x", "labels": { "a": "b" } } })).unwrap();
        let service: Service =
            serde_json::from_value(json!({ "metadata": { "name": name, "namespace": namespace }, "spec": spec }))
                .unwrap();
        assert_eq!(is_service(&service, &[&pod]), expected);
    }

    #[rstest]
    #[case(json!({ "type": "ClusterIP" }), None)]
    #[case(json!({}), None)]
    #[case(json!({ "type": "NodePort", "ports": [{ "port": 443, "nodePort": 30443 }] }), Some("as NodePort 30443"))]
    #[case(json!({ "type": "LoadBalancer", "ports": [{ "port": 443, "nodePort": 30443 }] }), Some("as LoadBalancer, NodePort 30443"))]
    #[case(json!({ "externalIPs": ["192.0.2.1"] }), Some("by externalIPs 192.0.2.1"))]
    fn which_exposure(#[case] spec: Value, #[case] expected: Option<&str>) {
        assert_eq!(exposure(&serde_json::from_value(json!({ "spec": spec })).unwrap()).as_deref(), expected);
    }

    #[test]
    fn an_ingress_names_its_services() {
        let ingress = json!({ "spec": {
            "defaultBackend": { "service": { "name": "a" } },
            "rules": [{ "http": { "paths": [{ "pathType": "Prefix", "backend": { "service": { "name": "b" } } }] } }],
        } });
        assert_eq!(backends(&serde_json::from_value(ingress).unwrap()), ["a", "b"]);
    }

    #[test]
    fn a_route_names_its_services_and_nothing_else() {
        let route = json!({ "metadata": { "namespace": "x" }, "spec": { "rules": [{ "backendRefs": [
            { "name": "a" }, { "kind": "Service", "name": "b", "namespace": "y" }, { "kind": "Bucket", "name": "c" },
        ] }, {}] } });
        assert_eq!(
            routed(&route),
            [("x", "a"), ("y", "b")].map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        );
    }

    #[rstest]
    #[case("kubernetes-dashboard.x.svc.cluster.local", true)]
    #[case("kubernetes-dashboard.x", true)]
    #[case("kubernetes-dashboard.y.svc", false)]
    #[case("example.com", false)]
    fn another_name(#[case] external: &str, #[case] expected: bool) {
        let service = |spec: Value| {
            serde_json::from_value::<Service>(json!({
                "metadata": { "name": "kubernetes-dashboard", "namespace": "x" }, "spec": spec,
            }))
            .unwrap()
        };
        let named = service(json!({ "type": "ExternalName", "externalName": external }));
        assert_eq!(stands_for(&named, &service(json!({}))), expected);
    }

    #[rstest]
    #[case(json!({ "containers": [{ "name": "a", "ports": [{ "containerPort": 1 }] }] }), &[])]
    #[case(json!({ "containers": [{ "name": "a", "ports": [{ "containerPort": 1, "hostPort": 2 }] }] }), &[2])]
    #[case(json!({ "hostNetwork": true, "containers": [{ "name": "a", "ports": [{ "containerPort": 1 }] }] }), &[1])]
    fn which_ports_of_the_node(#[case] spec: Value, #[case] expected: &[i32]) {
        assert_eq!(host_ports(&serde_json::from_value(json!({ "spec": spec })).unwrap()), expected);
    }
}
