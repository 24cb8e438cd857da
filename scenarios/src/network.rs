//! G5: traffic that nobody granted must not arrive.
use std::net::IpAddr;

use harness::cluster::named_ports::NamedPorts;
use harness::probe::batch::Verb;
use harness::scenario::Guard::{self, AdmissionPolicy, Plugin, Quota, Webhook};
use k8s_openapi::api::core::v1::{Service, ServiceSpec};

/// What the probes listen on, TCP and UDP.
pub const PORT: u16 = 8080;

/// What stands for a webhook's server (controller-runtime, pkg/webhook: `DefaultPort`).
pub const WEBHOOK: u16 = 9443;

/// Whoever keeps tenants from opening the network: a quota of none, a policy in the API server, a policy engine's webhook.
const KEEPERS: &[Guard] = &[Quota, AdmissionPolicy, Webhook, Plugin];

/// TCP and UDP to every port that probes listen on: their own, and those that somebody in scope names.
fn all_of(named: &NamedPorts) -> Vec<impl Fn(IpAddr) -> Verb> {
    let tcp = [PORT].into_iter().chain(named.tcp.iter().copied()).map(|port| (port, false));
    let udp = [PORT].into_iter().chain(named.udp.iter().copied()).map(|port| (port, true));
    let verb = |(port, is_udp)| move |to| if is_udp { Verb::Udp { to, port } } else { Verb::Tcp { to, port } };
    tcp.chain(udp).map(verb).collect()
}

/// The Service with its spec changed.
fn with_spec(service: &Service, change: impl FnOnce(&mut ServiceSpec)) -> Service {
    let mut service = service.clone();
    change(service.spec.get_or_insert_default());
    service
}

mod nodes;
mod policy_cases;

// Those that measure have the cluster to themselves, one after the other in this order: the first must see the pods as they started.
scenarios! {
    network: new_pod_covered, policy_enforced, enforcement_latency, label_change_covered, grants_hold, namespaces_isolated,
    default_deny_everywhere, egress_bounded, dns_still_works, cluster_still_works, webhooks_still_called, external_ip_refused, external_name_refused, load_balancer_refused, node_port_refused, node_ports_unreachable, kubelet_authenticated,
    kubelet_read_only_closed, kube_proxy_metrics_closed, ssh_closed, etcd_closed, overlay_not_injectable,
}
