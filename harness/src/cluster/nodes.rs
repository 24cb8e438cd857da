//! A cluster's nodes: of which pool each is, and whether a probe can be placed there.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};
use kube::{Client, Error, ResourceExt};

use crate::glob;
use crate::record::facts::{IS_VIRTUAL, IdlePool, LEFT_OUT, NOT_READY, NodeFacts, Taint};
use crate::settings::ClusterSettings;

/// Where providers, and what makes their clusters, say which pool a node belongs to: labels of nodes, or annotations.
const POOLS: [&str; 22] = [
    // OKE.
    "oci.oraclecloud.com/node-pool-id",
    // GKE, EKS and eksctl, AKS.
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    // Karpenter, and EKS Auto Mode with it.
    "karpenter.sh/nodepool",
    "karpenter.sh/provisioner-name",
    // OpenShift with hosted control planes.
    "hypershift.openshift.io/nodePool",
    // kOps, Gardener.
    "kops.k8s.io/instancegroup",
    "worker.gardener.cloud/pool",
    // DigitalOcean, IBM, Akamai, Scaleway, OVHcloud, Alibaba, Vultr, Civo, Exoscale.
    "doks.digitalocean.com/node-pool",
    "ibm-cloud.kubernetes.io/worker-pool-name",
    "lke.linode.com/pool-id",
    "k8s.scaleway.com/pool-name",
    "nodepool",
    "alibabacloud.com/nodepool-id",
    "vke.vultr.com/node-pool",
    "kubernetes.civo.com/node-pool",
    "node.exoscale.net/nodepool-id",
    // Cluster API, Rancher's included: the set of machines that the node's is of.
    "cluster.x-k8s.io/owner-name",
    // Where nobody speaks of pools (k3s, nodes that somebody has joined himself): machines of a kind.
    "node.kubernetes.io/instance-type",
];
/// OpenShift: the node's machine, as `NAMESPACE/SET-SUFFIX`.
const MACHINE: &str = "machine.openshift.io/machine";
/// What runs no DaemonSets and knows no ConfigMap modes: OKE's virtual nodes, Fargate, whatever is a virtual kubelet.
const VIRTUAL: [(&str, Option<&str>); 3] = [
    ("oci.oraclecloud.com/virtual-node-pool-id", None),
    ("eks.amazonaws.com/compute-type", Some("fargate")),
    ("type", Some("virtual-kubelet")),
];
/// A taint that virtual kubelets give themselves.
const VIRTUAL_KUBELET: &str = "virtual-kubelet.io/provider";

/// What a cluster's owner says of its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// The label or annotation that says which pool a node is of, before those that are known.
    pub pool_label: Option<String>,
    /// Globs over nodes that nothing is placed on and nothing is aimed at.
    pub except: Vec<String>,
}

impl NodeSettings {
    /// As `conformance.toml` has them.
    pub fn of(settings: &ClusterSettings) -> Self {
        Self { pool_label: settings.pool_label.clone(), except: settings.except_nodes.clone() }
    }

    /// The nodes, by name.
    ///
    /// # Errors
    /// The API server's own words.
    pub async fn nodes(&self, client: &Client) -> Result<(Vec<NodeFacts>, Vec<Node>), Error> {
        let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?.items;
        let mut facts: Vec<NodeFacts> = nodes.iter().map(|node| self.facts(node)).collect();
        facts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((facts, nodes))
    }

    fn facts(&self, node: &Node) -> NodeFacts {
        let name = node.name_any();
        let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
        let spec = node.spec.clone().unwrap_or_default();
        let taints = spec.taints.iter().flatten().filter(|taint| taint.effect != "PreferNoSchedule");
        let taints = taints.map(|taint| Taint {
            key: taint.key.clone(),
            value: taint.value.clone(),
            effect: taint.effect.clone(),
        });
        NodeFacts {
            pool: self.pool(node).unwrap_or_else(|| name.clone()),
            architecture: info.map(|info| info.architecture.clone()).unwrap_or_default(),
            runtime: info.map(|info| info.container_runtime_version.clone()).unwrap_or_default(),
            addresses: addresses(node, "InternalIP"),
            outside: addresses(node, "ExternalIP"),
            without_probe: self.without_probe(node).map(str::to_owned),
            taints: taints.collect(),
            overlay: node.annotations().get(OVERLAY).cloned(),
            name,
        }
    }

    fn pool(&self, node: &Node) -> Option<String> {
        let said = |key: &str| node.annotations().get(key).or_else(|| node.labels().get(key)).cloned();
        let set = || {
            let machine = said(MACHINE)?;
            let (_, machine) = machine.split_once('/')?;
            Some(machine.rsplit_once('-')?.0.to_owned())
        };
        let (instance_type, pools) = POOLS.split_last()?;
        let known = || pools.iter().find_map(|key| said(key));
        self.pool_label.as_deref().and_then(said).or_else(known).or_else(set).or_else(|| said(instance_type))
    }

    /// Why no probe can be placed there.
    fn without_probe(&self, node: &Node) -> Option<&'static str> {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        let system = node.status.as_ref().and_then(|status| status.node_info.as_ref());
        let system = system.map(|info| info.operating_system.as_str()).filter(|system| !system.is_empty());
        let name = node.name_any();
        if self.except.iter().any(|pattern| glob::matches(pattern, &name)) {
            Some(LEFT_OUT)
        } else if is_virtual(node) {
            Some(IS_VIRTUAL)
        } else if !ready {
            Some(NOT_READY)
        } else if node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false) {
            Some("cordoned")
        } else if system.is_some_and(|system| system != "linux") {
            Some("not Linux")
        } else {
            CONTROL_PLANE.iter().any(|label| node.labels().contains_key(*label)).then_some(A_CONTROL_PLANE)
        }
    }
}

fn addresses(node: &Node, kind: &str) -> Vec<String> {
    let all = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    all.filter(|address| address.type_ == kind).map(|address| address.address.clone()).collect()
}

/// What says that a node is a control plane's (kubeadm's, and its name before 1.20): nobody's pool.
const CONTROL_PLANE: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
const A_CONTROL_PLANE: &str = "a control plane";

/// The pools among `nodes` that no probe can be placed in, control planes apart.
pub fn idle_pools(nodes: &[NodeFacts]) -> Vec<IdlePool> {
    let mut pools: BTreeMap<&str, Vec<&NodeFacts>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.without_probe.as_deref() != Some(A_CONTROL_PLANE)) {
        pools.entry(&node.pool).or_default().push(node);
    }
    let idle = pools.into_iter().filter(|(_, nodes)| nodes.iter().all(|node| !node.hosts_probes()));
    let told = |node: &&NodeFacts| format!("{} ({})", node.name, node.without_probe.as_deref().unwrap_or_default());
    idle.map(|(pool, nodes)| IdlePool {
        pool: pool.to_owned(),
        why: nodes.iter().map(told).collect::<Vec<_>>().join(", "),
        for_good: nodes.iter().all(|node| node.without_probe.as_deref() == Some(IS_VIRTUAL)),
    })
    .collect()
}

/// What flannel's daemon writes on its node (flannel, pkg/subnet/kube).
const OVERLAY: &str = "flannel.alpha.coreos.com/backend-data";

fn is_virtual(node: &Node) -> bool {
    let said = |key: &str| node.annotations().get(key).or_else(|| node.labels().get(key));
    let tainted = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    VIRTUAL.iter().any(|(key, value)| said(key).is_some_and(|found| value.is_none_or(|value| value == found)))
        || tainted.into_iter().any(|taint| taint.key == VIRTUAL_KUBELET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::tainted(json!({ "taints": [{ "key": "gpu", "effect": "NoSchedule" }] }), json!({}), None, 1)]
    #[case::a_mere_preference(json!({ "taints": [{ "key": "spot", "effect": "PreferNoSchedule" }] }), json!({}), None, 0)]
    #[case::cordoned(json!({ "unschedulable": true }), json!({}), Some("cordoned"), 0)]
    #[case::virtual_kubelet(json!({ "taints": [{ "key": "virtual-kubelet.io/provider", "effect": "NoSchedule" }] }), json!({}), Some("virtual"), 1)]
    #[case::fargate(json!({}), json!({ "eks.amazonaws.com/compute-type": "fargate" }), Some("virtual"), 0)]
    #[case::another_compute_type(json!({}), json!({ "eks.amazonaws.com/compute-type": "ec2" }), None, 0)]
    #[case::windows(json!({}), json!({ "os": "windows" }), Some("not Linux"), 0)]
    #[case::control_plane(json!({}), json!({ "node-role.kubernetes.io/control-plane": "" }), Some("a control plane"), 0)]
    fn who_hosts_a_probe(
        #[case] spec: serde_json::Value,
        #[case] labels: serde_json::Value,
        #[case] without_probe: Option<&str>,
        #[case] taints: usize,
    ) {
        let node = json!({
            "metadata": { "name": "n", "labels": labels }, "spec": spec,
            "status": {
                "conditions": [{ "type": "Ready", "status": "True" }],
                "nodeInfo": node_info(labels["os"].as_str().unwrap_or("linux")),
            },
        });
        let facts = NodeSettings::default().facts(&serde_json::from_value(node).unwrap());
        assert_eq!((facts.without_probe.as_deref(), facts.taints.len()), (without_probe, taints));
    }

    fn node_info(system: &str) -> serde_json::Value {
        json!({
            "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.3.7", "kernelVersion": "",
            "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "operatingSystem": system, "osImage": "",
            "systemUUID": "",
        })
    }

    #[rstest]
    #[case::oke(json!({}), json!({ "oci.oraclecloud.com/node-pool-id": "ocid1.nodepool" }), "ocid1.nodepool")]
    #[case::aks(json!({ "kubernetes.azure.com/agentpool": "user" }), json!({}), "user")]
    #[case::karpenter(json!({ "karpenter.sh/nodepool": "spot", "node.kubernetes.io/instance-type": "m5" }), json!({}), "spot")]
    #[case::openshift(json!({}), json!({ "machine.openshift.io/machine": "openshift-machine-api/c-worker-a-x2x4z" }), "c-worker-a")]
    #[case::rancher(json!({}), json!({ "cluster.x-k8s.io/owner-name": "c1-pool1-7f" }), "c1-pool1-7f")]
    #[case::kops(json!({ "kops.k8s.io/instancegroup": "nodes-a" }), json!({}), "nodes-a")]
    #[case::k3s(json!({ "node.kubernetes.io/instance-type": "k3s" }), json!({}), "k3s")]
    #[case::the_owners_word_first(json!({ "kops.k8s.io/instancegroup": "a", "example.com/rack": "r1" }), json!({}), "r1")]
    #[case::nobody_says(json!({}), json!({}), "n")]
    fn of_which_pool(
        #[case] labels: serde_json::Value,
        #[case] annotations: serde_json::Value,
        #[case] expected: &str,
    ) {
        let node = json!({ "metadata": { "name": "n", "labels": labels, "annotations": annotations } });
        let settings = NodeSettings { pool_label: Some("example.com/rack".into()), ..NodeSettings::default() };
        assert_eq!(settings.facts(&serde_json::from_value(node).unwrap()).pool, expected);
    }

    #[test]
    fn what_the_owner_leaves_out() {
        let settings = NodeSettings { except: vec!["gpu-*".into()], ..NodeSettings::default() };
        let of = |name: &str| {
            let node = json!({ "metadata": { "name": name } });
            settings.facts(&serde_json::from_value(node).unwrap()).without_probe.unwrap()
        };
        assert_eq!([of("gpu-1"), of("cpu-1")], ["left out by conformance.toml", "not ready"]);
    }

    #[test]
    fn pools_without_a_host_are_told() {
        let node = |name: &str, pool: &str, why: Option<&str>| NodeFacts {
            name: name.into(),
            pool: pool.into(),
            without_probe: why.map(str::to_owned),
            ..NodeFacts::default()
        };
        let nodes = [
            node("cp", "cp", Some(A_CONTROL_PLANE)),
            node("a", "p", Some("cordoned")),
            node("b", "p", None),
            node("c", "q", Some("not ready")),
            node("v", "v", Some(IS_VIRTUAL)),
        ];
        let told: Vec<_> = idle_pools(&nodes).into_iter().map(|idle| (idle.pool, idle.why, idle.for_good)).collect();
        assert_eq!(told, [("q".into(), "c (not ready)".into(), false), ("v".into(), "v (virtual)".into(), true)]);
    }
}
