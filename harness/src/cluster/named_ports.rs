//! The ports that somebody in scope names: pods, Services and network policies. What a policy opens by accident is one of these, and no probe would
//! know of it if it listened on its own ports alone.
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{Client, ResourceExt};

use crate::cluster::inventory::{Inventory, everything};
use crate::told::told;

/// Of each protocol, the ports that are named most often: each is tried from every pool to every pool.
const AT_MOST: usize = 16;

/// A protocol and its port: `tcp` 80.
pub type Port = (&'static str, u16);

/// Ports that are named in scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedPorts {
    /// TCP.
    pub tcp: Vec<u16>,
    /// UDP.
    pub udp: Vec<u16>,
    /// Those that nothing is tried on: `tcp 80`.
    pub left_out: Vec<String>,
}

impl NamedPorts {
    /// Those that are tried.
    pub(crate) fn tried(&self) -> BTreeSet<Port> {
        let of = |protocol, ports: &[u16]| ports.iter().map(|port| (protocol, *port)).collect::<Vec<Port>>();
        [of("tcp", &self.tcp), of("udp", &self.udp)].concat().into_iter().collect()
    }
}

/// Looks through what is in `namespaces`; those of `besides` come first, for somebody has asked for them.
///
/// # Errors
/// A sentence where something cannot be listed.
pub async fn named_ports(
    client: &Client,
    inventory: &Inventory,
    namespaces: &BTreeSet<String>,
    besides: &[Port],
) -> Result<NamedPorts, String> {
    let cannot = |plural: &str, error: &kube::Error| format!("cannot list {plural} in all namespaces: {}", told(error));
    let pods = inventory.pods().await.map_err(|error| cannot("pods", &error))?;
    let services = inventory.services().await.map_err(|error| cannot("services", &error))?;
    let policies: Vec<NetworkPolicy> =
        everything(client, Some).await.map_err(|error| cannot("networkpolicies", &error))?;
    let here = |namespace: Option<String>| namespace.is_some_and(|namespace| namespaces.contains(&namespace));
    let pods = pods.iter().filter(|pod| here(pod.namespace())).flat_map(of_pod);
    let services = services.iter().filter(|service| here(service.namespace())).flat_map(of_service);
    let policies = policies.iter().filter(|policy| here(policy.namespace())).flat_map(of_policy);
    Ok(most_often(besides, pods.chain(services).chain(policies)))
}

/// As objects spell a protocol; what is neither is nobody's to try.
fn protocol(name: Option<&str>) -> Option<&'static str> {
    match name.unwrap_or("TCP") {
        "TCP" => Some("tcp"),
        "UDP" => Some("udp"),
        _ => None,
    }
}

fn port(protocol_name: Option<&str>, number: i32) -> Option<Port> {
    Some((protocol(protocol_name)?, u16::try_from(number).ok()?))
}

fn of_pod(pod: &Pod) -> Vec<Port> {
    let spec = pod.spec.iter();
    let containers = spec.flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.filter_map(|named| port(named.protocol.as_deref(), named.container_port)).collect()
}

fn of_service(service: &Service) -> Vec<Port> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let number = |named: &k8s_openapi::api::core::v1::ServicePort| match named.target_port {
        Some(IntOrString::Int(number)) => Some(number),
        // By name: the pods say which.
        Some(IntOrString::String(_)) => None,
        None => Some(named.port),
    };
    ports.filter_map(|named| port(named.protocol.as_deref(), number(named)?)).collect()
}

fn of_policy(policy: &NetworkPolicy) -> Vec<Port> {
    let Some(spec) = &policy.spec else { return Vec::new() };
    let into = spec.ingress.iter().flatten().flat_map(|rule| rule.ports.iter().flatten());
    let out = spec.egress.iter().flatten().flat_map(|rule| rule.ports.iter().flatten());
    // A range by its ends.
    let ends = |named: &NetworkPolicyPort| {
        let first = match named.port {
            Some(IntOrString::Int(number)) => Some(number),
            _ => None,
        };
        [first, named.end_port]
            .into_iter()
            .flatten()
            .filter_map(|end| port(named.protocol.as_deref(), end))
            .collect::<Vec<_>>()
    };
    into.chain(out).flat_map(ends).collect()
}

fn most_often(besides: &[Port], named: impl Iterator<Item = Port>) -> NamedPorts {
    let mut counts: BTreeMap<Port, usize> = besides.iter().map(|port| (*port, usize::MAX)).collect();
    named.for_each(|named| {
        let count = counts.entry(named).or_default();
        *count = count.saturating_add(1);
    });
    let mut counts: Vec<(Port, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(named, count)| (std::cmp::Reverse(*count), *named));
    let mut ports = NamedPorts::default();
    for ((protocol, number), _) in counts {
        let list = if protocol == "tcp" { &mut ports.tcp } else { &mut ports.udp };
        if list.len() == AT_MOST {
            ports.left_out.push(format!("{protocol} {number}"));
        } else {
            list.push(number);
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whoever_names_a_port() {
        let pod: Pod = serde_json::from_value(json!({ "spec": {
            "containers": [{ "name": "a", "ports": [{ "containerPort": 5432 }, { "containerPort": 9, "protocol": "SCTP" }] }],
            "initContainers": [{ "name": "b", "ports": [{ "containerPort": 9090, "protocol": "UDP" }] }],
        } }))
        .unwrap();
        assert_eq!(of_pod(&pod), [("tcp", 5432), ("udp", 9090)]);
        let service: Service = serde_json::from_value(json!({ "spec": { "ports": [
            { "port": 80, "targetPort": 8000 }, { "port": 443, "targetPort": "https" }, { "port": 6379 },
        ] } }))
        .unwrap();
        assert_eq!(of_service(&service), [("tcp", 8000), ("tcp", 6379)]);
        let policy: NetworkPolicy = serde_json::from_value(json!({ "spec": {
            "podSelector": {},
            "ingress": [{ "ports": [{ "port": 5432 }, { "port": "web" }] }],
            "egress": [{ "ports": [{ "port": 7000, "endPort": 7010, "protocol": "UDP" }, { "protocol": "TCP" }] }],
        } }))
        .unwrap();
        assert_eq!(of_policy(&policy), [("tcp", 5432), ("udp", 7000), ("udp", 7010)]);
    }

    #[test]
    fn the_most_named_first_and_what_is_left_out_is_told() {
        let named = (2000..2020).map(|number| ("tcp", number)).chain([("tcp", 5432), ("tcp", 5432), ("udp", 53)]);
        let ports = most_often(&[("tcp", 65001)], named);
        // What somebody asks for comes before.
        assert_eq!((&ports.tcp[..2], ports.tcp.len(), ports.udp), ([65001, 5432].as_slice(), AT_MOST, vec![53]));
        assert_eq!(ports.left_out, ["tcp 2014", "tcp 2015", "tcp 2016", "tcp 2017", "tcp 2018", "tcp 2019"]);
    }
}
