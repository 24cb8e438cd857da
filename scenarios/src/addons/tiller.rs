//! What gives a Tiller away.
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;

/// Tiller's gRPC port (helm v2, cmd/tiller): no authentication, no authorization.
pub const GRPC: u16 = 44134;
/// Its probes and metrics.
pub const HTTP: u16 = 44135;

/// Something that may be a Tiller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// For the reader.
    pub name: String,
    /// Where it would answer; none while it has no address.
    pub address: Option<IpAddr>,
}

/// Services and pods that have Tiller's port, name, labels or image.
pub fn candidates(services: &[Service], pods: &[Pod]) -> Vec<Candidate> {
    let services = services.iter().filter(|service| is_service(service)).map(|service| Candidate {
        name: format!("service {}/{}", service.namespace().unwrap_or_default(), service.name_any()),
        address: service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_ref()?.parse().ok()),
    });
    let pods = pods.iter().filter(|pod| is_pod(pod)).map(|pod| Candidate {
        name: format!("pod {}/{}", pod.namespace().unwrap_or_default(), pod.name_any()),
        address: pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse().ok()),
    });
    services.chain(pods).collect()
}

fn is_port(port: i32) -> bool {
    [GRPC, HTTP].map(i32::from).contains(&port)
}

fn is_service(service: &Service) -> bool {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    service.name_any() == "tiller-deploy" || ports.into_iter().any(|port| is_port(port.port))
}

fn is_pod(pod: &Pod) -> bool {
    let labels = pod.labels();
    let labelled =
        labels.get("name").is_some_and(|name| name == "tiller") && labels.get("app").is_some_and(|app| app == "helm");
    let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    labelled
        || containers.any(|container| {
            let ports = container.ports.iter().flatten().any(|port| is_port(port.container_port));
            ports || container.image.as_deref().is_some_and(is_image)
        })
}

/// `ghcr.io/helm/tiller:v2.16.12`, `iad.ocir.io/odx-oke/oke-public/tiller@sha256:...`.
fn is_image(image: &str) -> bool {
    image.split(['@', ':']).any(|part| part.rsplit('/').next() == Some("tiller"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case::by_name(json!({ "metadata": { "name": "tiller-deploy" } }), true)]
    #[case::by_port(json!({ "metadata": { "name": "x" }, "spec": { "ports": [{ "port": 44134 }] } }), true)]
    #[case::other(json!({ "metadata": { "name": "tiller-docs" }, "spec": { "ports": [{ "port": 80 }] } }), false)]
    fn which_service(#[case] service: Value, #[case] expected: bool) {
        assert_eq!(is_service(&serde_json::from_value(service).unwrap()), expected);
    }

    #[test]
    fn one_without_an_address_is_a_candidate_all_the_same() {
        let pod =
            json!({ "metadata": { "name": "t", "namespace": "n", "labels": { "app": "helm", "name": "tiller" } } });
        let found = candidates(&[], &[serde_json::from_value(pod).unwrap()]);
        assert_eq!(found, [Candidate { name: "pod n/t".into(), address: None }]);
    }

    #[rstest]
    #[case::by_labels(json!({ "metadata": { "labels": { "app": "helm", "name": "tiller" } } }), true)]
    #[case::by_port(json!({ "spec": { "containers": [{ "name": "a", "ports": [{ "containerPort": 44134 }] }] } }), true)]
    #[case::by_image(json!({ "spec": { "containers": [{ "name": "a", "image": "ghcr.io/helm/tiller:v2.16.12" }] } }), true)]
    #[case::by_digest(json!({ "spec": { "containers": [{ "name": "a", "image": "iad.ocir.io/o/tiller@sha256:00" }] } }), true)]
    #[case::helm_itself(json!({ "metadata": { "labels": { "app": "helm" } }, "spec": { "containers": [{ "name": "a", "image": "x/tiller-exporter:1" }] } }), false)]
    fn which_pod(#[case] pod: Value, #[case] expected: bool) {
        assert_eq!(is_pod(&serde_json::from_value(pod).unwrap()), expected);
    }
}
