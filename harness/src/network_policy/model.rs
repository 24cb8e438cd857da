//! What the NetworkPolicy specification says, and nothing of how anybody implements it.
//! Source: the API reference of `networking.k8s.io/v1`, and Kubernetes' concept page "Network Policies".
use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Labels.
pub type Labels = BTreeMap<String, String>;

/// A protocol that policies know and probes speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// As policies spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// A pod as policies see it.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyPod {
    /// Its namespace.
    pub namespace: String,
    /// Its labels.
    pub labels: Labels,
    /// Its address.
    pub address: IpAddr,
    /// A port to which only a native sidecar of its gives this name.
    pub beside: Option<Port>,
}

/// A port that pods listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The name that the pods' containers give it.
    pub name: &'static str,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub number: u16,
}

/// Namespaces, pods, and the policies that hold among them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// The namespaces' labels.
    pub namespaces: BTreeMap<String, Labels>,
    /// The pods.
    pub pods: Vec<PolicyPod>,
    /// The policies.
    pub policies: Vec<NetworkPolicy>,
}

#[derive(Clone, Copy)]
enum Direction {
    Ingress,
    Egress,
}

impl World {
    /// Whether a connection from one pod to a port of another is let through: it must be let out, and in.
    ///
    /// What a pod sends to itself nobody can block.
    pub fn admits(&self, from: &PolicyPod, to: &PolicyPod, port: Port) -> bool {
        from.address == to.address
            || (self.lets(Direction::Egress, from, to, port) && self.lets(Direction::Ingress, to, from, port))
    }

    /// Whether it is the engine's to say what [`World::admits`] does: many look for a port's name in no init container, whether it goes on
    /// beside the others or not (kubernetes/kubernetes, issue 125285). Then the name means nothing, and a rule that has no other opens nothing.
    pub fn leaves_open(&self, from: &PolicyPod, to: &PolicyPod, port: Port) -> bool {
        let without = |pod: &PolicyPod| PolicyPod { beside: None, ..pod.clone() };
        self.admits(from, to, port) != self.admits(&without(from), &without(to), port)
    }

    /// Whether the policies that select `subject` let it talk to `peer`. Where none does, everything is let through; where some do, what
    /// any of them lets through.
    fn lets(&self, way: Direction, subject: &PolicyPod, peer: &PolicyPod, port: Port) -> bool {
        let listener = match way {
            Direction::Ingress => subject,
            Direction::Egress => peer,
        };
        let selecting: Vec<&NetworkPolicy> =
            self.policies.iter().filter(|policy| isolates(policy, way, subject)).collect();
        selecting.is_empty()
            || selecting.iter().any(|policy| {
                let home = policy.metadata.namespace.as_deref().unwrap_or_default();
                let rules = policy.spec.iter().flat_map(|spec| rules(spec, way));
                rules.into_iter().any(|(peers, ports)| {
                    let any_peer = peers.is_empty() || peers.iter().any(|rule| self.is_peer(rule, home, peer));
                    let beside = listener.beside.filter(|beside| Port { name: port.name, ..*beside } == port);
                    let mut names = [Some(port), beside].into_iter().flatten();
                    any_peer && (ports.is_empty() || names.any(|port| ports.iter().any(|rule| is_port(rule, port))))
                })
            })
    }

    fn is_peer(&self, rule: &NetworkPolicyPeer, home: &str, pod: &PolicyPod) -> bool {
        if let Some(block) = &rule.ip_block {
            return in_block(block, pod.address);
        }
        // A selector of pods alone means pods of the policy's own namespace.
        let there = match &rule.namespace_selector {
            Some(selector) => self.namespaces.get(&pod.namespace).is_some_and(|labels| selects(selector, labels)),
            None => pod.namespace == home,
        };
        there && rule.pod_selector.as_ref().is_none_or(|selector| selects(selector, &pod.labels))
    }
}

/// Whether the policy selects the pod, for this direction: without `policyTypes` always for ingress, and for egress where it has such rules.
fn isolates(policy: &NetworkPolicy, way: Direction, pod: &PolicyPod) -> bool {
    let Some(spec) = &policy.spec else { return false };
    let meant = match (&spec.policy_types, way) {
        (Some(types), Direction::Ingress) => types.iter().any(|kind| kind == "Ingress"),
        (Some(types), Direction::Egress) => types.iter().any(|kind| kind == "Egress"),
        (None, Direction::Ingress) => true,
        (None, Direction::Egress) => spec.egress.is_some(),
    };
    let selected = spec.pod_selector.as_ref().is_none_or(|selector| selects(selector, &pod.labels));
    meant && selected && policy.metadata.namespace.as_ref() == Some(&pod.namespace)
}

type Rule<'a> = (&'a [NetworkPolicyPeer], &'a [NetworkPolicyPort]);

fn rules(spec: &NetworkPolicySpec, way: Direction) -> Vec<Rule<'_>> {
    match way {
        Direction::Ingress => {
            let rules = spec.ingress.iter().flatten();
            rules
                .map(|rule| (rule.from.as_deref().unwrap_or_default(), rule.ports.as_deref().unwrap_or_default()))
                .collect()
        }
        Direction::Egress => {
            let rules = spec.egress.iter().flatten();
            rules
                .map(|rule| (rule.to.as_deref().unwrap_or_default(), rule.ports.as_deref().unwrap_or_default()))
                .collect()
        }
    }
}

/// A name means whatever the listener calls so, with that protocol; a number with `endPort` a range; no port at all every one.
fn is_port(rule: &NetworkPolicyPort, port: Port) -> bool {
    rule.protocol.as_deref().unwrap_or("TCP") == port.protocol.name()
        && match &rule.port {
            None => true,
            Some(IntOrString::String(name)) => name == port.name,
            Some(IntOrString::Int(first)) => {
                (*first..=rule.end_port.unwrap_or(*first)).contains(&i32::from(port.number))
            }
        }
}

fn in_block(block: &IPBlock, address: IpAddr) -> bool {
    let inside = |cidr: &str| in_cidr(cidr, address);
    inside(&block.cidr) && !block.except.iter().flatten().any(|cidr| inside(cidr))
}

fn in_cidr(cidr: &str, address: IpAddr) -> bool {
    let Some((base, bits)) = cidr.split_once('/') else { return false };
    let (Ok(base), Ok(bits)) = (base.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let (base, address, width) = match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (base.to_bits().into(), address.to_bits().into(), 32),
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let beyond = width - bits.min(width);
    beyond == 128 || base >> beyond == address >> beyond
}

fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().flatten().all(|requirement| meets(requirement, labels))
}

fn meets(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let listed = value.is_some_and(|value| requirement.values.iter().flatten().any(|listed| listed == value));
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    const WEB: Port = Port { name: "web", protocol: Protocol::Tcp, number: 8080 };

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    /// Namespaces x and y, each with pods a and b; x's are 10.0.0.1 and .2, y's 10.0.1.1 and .2.
    fn world(policies: &[Value]) -> World {
        let mut world = World::default();
        for (third, namespace) in ["x", "y"].into_iter().enumerate() {
            world.namespaces.insert(namespace.into(), labels(&[("ns", namespace)]));
            for (fourth, pod) in ["a", "b"].into_iter().enumerate() {
                let address = format!("10.0.{third}.{}", fourth + 1).parse().unwrap();
                world.pods.push(PolicyPod {
                    namespace: namespace.into(),
                    labels: labels(&[("pod", pod)]),
                    address,
                    beside: None,
                });
            }
        }
        let policy = |spec: &Value| {
            serde_json::from_value(json!({ "metadata": { "name": "p", "namespace": "x" }, "spec": spec })).unwrap()
        };
        world.policies = policies.iter().map(policy).collect();
        world
    }

    /// What comes through on `port`, as `from>to`.
    fn open(world: &World, port: Port) -> Vec<String> {
        let name = |pod: &PolicyPod| format!("{}{}", pod.namespace, pod.labels["pod"]);
        let mut open = Vec::new();
        for from in &world.pods {
            let others = world.pods.iter().filter(|to| to.address != from.address);
            open.extend(
                others.filter(|to| world.admits(from, to, port)).map(|to| format!("{}>{}", name(from), name(to))),
            );
        }
        open
    }

    const ALL: &str = "xa>xb xa>ya xa>yb xb>xa xb>ya xb>yb ya>xa ya>xb ya>yb yb>xa yb>xb yb>ya";

    #[rstest]
    #[case::no_policy(&[], ALL)]
    // policyTypes: absent means ingress, and egress only with egress rules.
    #[case::deny_in(&[json!({ "podSelector": {} })], "xa>ya xa>yb xb>ya xb>yb ya>yb yb>ya")]
    #[case::deny_out(&[json!({ "podSelector": {}, "policyTypes": ["Egress"] })], "ya>xa ya>xb ya>yb yb>xa yb>xb yb>ya")]
    #[case::egress_rules_imply_the_type(&[json!({ "podSelector": {}, "egress": [] })], "ya>yb yb>ya")]
    #[case::deny_both(&[json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })], "ya>yb yb>ya")]
    #[case::one_pod(&[json!({ "podSelector": { "matchLabels": { "pod": "a" } } })], "xa>xb xa>ya xa>yb xb>ya xb>yb ya>xb ya>yb yb>xb yb>ya")]
    // An empty rule lets everything through; an empty list nothing.
    #[case::allow_all(&[json!({ "podSelector": {}, "ingress": [{}] })], ALL)]
    #[case::allow_none(&[json!({ "podSelector": {}, "ingress": [] })], "xa>ya xa>yb xb>ya xb>yb ya>yb yb>ya")]
    // A pod selector alone is of the policy's namespace, a namespace selector alone means all its pods, both mean both.
    #[case::pods(&[json!({ "podSelector": {}, "ingress": [{ "from": [{ "podSelector": { "matchLabels": { "pod": "a" } } }] }] })], "xa>xb xa>ya xa>yb xb>ya xb>yb ya>yb yb>ya")]
    #[case::namespaces(&[json!({ "podSelector": {}, "ingress": [{ "from": [{ "namespaceSelector": { "matchLabels": { "ns": "y" } } }] }] })], "xa>ya xa>yb xb>ya xb>yb ya>xa ya>xb ya>yb yb>xa yb>xb yb>ya")]
    #[case::both(&[json!({ "podSelector": {}, "ingress": [{ "from": [{ "namespaceSelector": {}, "podSelector": { "matchLabels": { "pod": "b" } } }] }] })], "xa>ya xa>yb xb>xa xb>ya xb>yb ya>yb yb>xa yb>xb yb>ya")]
    // Policies add up.
    #[case::added(&[
        json!({ "podSelector": {} }),
        json!({ "podSelector": { "matchLabels": { "pod": "a" } }, "ingress": [{ "from": [{ "podSelector": {} }] }] }),
    ], "xa>ya xa>yb xb>xa xb>ya xb>yb ya>yb yb>ya")]
    #[case::block(&[json!({ "podSelector": {}, "ingress": [{ "from": [{ "ipBlock": { "cidr": "10.0.0.0/16", "except": ["10.0.0.0/24", "10.0.1.2/32"] } }] }] })], "xa>ya xa>yb xb>ya xb>yb ya>xa ya>xb ya>yb yb>ya")]
    fn what_comes_through(#[case] policies: &[Value], #[case] expected: &str) {
        assert_eq!(open(&world(policies), WEB).join(" "), expected);
    }

    #[rstest]
    #[case::number(json!({ "port": 8080 }), true)]
    #[case::another(json!({ "port": 8081 }), false)]
    #[case::name(json!({ "port": "web" }), true)]
    #[case::another_name(json!({ "port": "alt" }), false)]
    #[case::range(json!({ "port": 8000, "endPort": 8080 }), true)]
    #[case::below(json!({ "port": 8000, "endPort": 8079 }), false)]
    #[case::every_tcp(json!({ "protocol": "TCP" }), true)]
    #[case::every_udp(json!({ "protocol": "UDP" }), false)]
    #[case::tcp_by_default(json!({}), true)]
    fn which_port(#[case] rule: Value, #[case] expected: bool) {
        let world = world(&[json!({ "podSelector": {}, "ingress": [{ "ports": [rule] }] })]);
        assert_eq!(world.admits(&world.pods[2], &world.pods[0], WEB), expected);
    }

    #[rstest]
    #[case::listed(json!({ "key": "pod", "operator": "In", "values": ["a", "c"] }), true)]
    #[case::not_listed(json!({ "key": "pod", "operator": "NotIn", "values": ["a"] }), false)]
    #[case::absent_is_not_in(json!({ "key": "tier", "operator": "NotIn", "values": ["a"] }), true)]
    #[case::there(json!({ "key": "pod", "operator": "Exists" }), true)]
    #[case::not_there(json!({ "key": "pod", "operator": "DoesNotExist" }), false)]
    fn which_labels(#[case] requirement: Value, #[case] expected: bool) {
        let selector = serde_json::from_value(json!({ "matchExpressions": [requirement] })).unwrap();
        assert_eq!(selects(&selector, &labels(&[("pod", "a")])), expected);
    }

    #[rstest]
    #[case("0.0.0.0/0", "10.0.0.1", true)]
    #[case("10.0.0.0/31", "10.0.0.1", true)]
    #[case("10.0.0.0/31", "10.0.0.2", false)]
    #[case("10.0.0.1/32", "10.0.0.1", true)]
    #[case("::/0", "10.0.0.1", false)]
    #[case("::/0", "fd00::1", true)]
    #[case("fd00::/64", "fd00:0:0:1::1", false)]
    fn which_addresses(#[case] cidr: &str, #[case] address: &str, #[case] expected: bool) {
        assert_eq!(in_cidr(cidr, address.parse().unwrap()), expected);
    }

    /// The first pod's sidecar calls 8080 `beside`; what that opens, and what it cannot.
    #[rstest]
    #[case::the_port(json!([{ "port": "beside" }]), WEB, true, true)]
    #[case::another_port(json!([{ "port": "beside" }]), Port { number: 8081, ..WEB }, false, false)]
    #[case::another_protocol(json!([{ "port": "beside", "protocol": "UDP" }]), WEB, false, false)]
    #[case::granted_anyway(json!([{ "port": "beside" }, { "port": 8080 }]), WEB, true, false)]
    fn a_name_that_only_a_sidecar_has(
        #[case] ports: Value,
        #[case] port: Port,
        #[case] admitted: bool,
        #[case] left_open: bool,
    ) {
        let mut world = world(&[
            json!({ "podSelector": {}, "ingress": [{ "ports": ports }] }),
            json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{ "ports": ports }] }),
        ]);
        world.pods[0].beside = Some(Port { name: "beside", ..WEB });
        let found = |from: usize, to: usize| {
            let (from, to) = (&world.pods[from], &world.pods[to]);
            (world.admits(from, to, port), world.leaves_open(from, to, port))
        };
        // From outside in, and out of a pod beside it.
        assert_eq!([found(2, 0), found(1, 0)], [(admitted, left_open); 2]);
        // Another pod's port it does not name.
        let numbered = ports[1]["port"] == 8080;
        assert_eq!(found(2, 1), (numbered && port == WEB, false));
    }

    #[test]
    fn nobody_keeps_a_pod_from_itself() {
        let world = world(&[json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })]);
        assert!(world.admits(&world.pods[0], &world.pods[0], WEB));
    }
}
