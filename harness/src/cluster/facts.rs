//! What the cluster is, found before the first attempt.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, Error, ResourceExt};

use crate::cluster::inventory::Inventory;
use crate::glob;
use crate::probe::start::AgentImage;
use crate::record::facts::{IdlePool, NodeFacts, Taint};
use crate::sandbox::standing::run_of;
use crate::standard::{ENFORCED, ENFORCED_VERSION};

/// A kubelet's port (kubernetes, pkg/cluster/ports: `KubeletPort`).
pub const KUBELET_PORT: u16 = 10250;

/// Where each provider says which pool a node belongs to.
const POOLS: [&str; 3] =
    ["oci.oraclecloud.com/node-pool-id", "cloud.google.com/gke-nodepool", "eks.amazonaws.com/nodegroup"];
/// OKE's virtual nodes run no DaemonSets and know no ConfigMap modes; probes do not belong there.
const VIRTUAL: &str = "oci.oraclecloud.com/virtual-node-pool-id";

/// The nodes, by name.
///
/// # Errors
/// The API server's own words.
pub async fn nodes(client: &Client) -> Result<(Vec<NodeFacts>, Vec<Node>), Error> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?.items;
    let mut facts: Vec<NodeFacts> = nodes.iter().map(node_facts).collect();
    facts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((facts, nodes))
}

fn node_facts(node: &Node) -> NodeFacts {
    let name = node.name_any();
    let pool = POOLS.iter().find_map(|key| node.annotations().get(*key).or_else(|| node.labels().get(*key)));
    let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
    let ready = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let spec = node.spec.clone().unwrap_or_default();
    let without_probe = if is_virtual(node) {
        Some("virtual")
    } else if !ready {
        Some("not ready")
    } else if spec.unschedulable.unwrap_or(false) {
        Some("cordoned")
    } else {
        CONTROL_PLANE.iter().any(|label| node.labels().contains_key(*label)).then_some(A_CONTROL_PLANE)
    };
    let taints = spec.taints.iter().flatten().filter(|taint| taint.effect != "PreferNoSchedule");
    let taints =
        taints.map(|taint| Taint { key: taint.key.clone(), value: taint.value.clone(), effect: taint.effect.clone() });
    let taints = taints.collect();
    NodeFacts {
        pool: pool.unwrap_or(&name).clone(),
        name,
        architecture: info.map(|info| info.architecture.clone()).unwrap_or_default(),
        runtime: info.map(|info| info.container_runtime_version.clone()).unwrap_or_default(),
        addresses: addresses(node, "InternalIP"),
        outside: addresses(node, "ExternalIP"),
        without_probe: without_probe.map(str::to_owned),
        taints,
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
        for_good: nodes.iter().all(|node| node.without_probe.as_deref() == Some("virtual")),
    })
    .collect()
}

fn is_virtual(node: &Node) -> bool {
    node.annotations().contains_key(VIRTUAL) || node.labels().contains_key(VIRTUAL)
}

/// The first nodes of each pool that can host a probe, `sample` of them at the most.
pub fn some_of_each_pool(nodes: &[NodeFacts], sample: usize) -> Vec<NodeFacts> {
    let mut chosen: Vec<NodeFacts> = Vec::new();
    for node in nodes.iter().filter(|node| node.hosts_probes()) {
        if chosen.iter().filter(|other| other.pool == node.pool).count() < sample.max(1) {
            chosen.push(node.clone());
        }
    }
    chosen
}

/// The namespaces of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Those that stay, and the Pod Security Standard that its labels say is enforced in each.
    pub staying: BTreeMap<String, Option<String>>,
    /// Those that nobody looks into, and why.
    pub left_out: BTreeMap<String, String>,
}

/// Every namespace, apart from this or another run's own and those that are ending.
///
/// # Errors
/// The API server's own words.
pub async fn namespaces(client: &Client) -> Result<Namespaces, Error> {
    let all = Api::<Namespace>::all(client.clone()).list_metadata(&ListParams::default()).await?.items;
    let mut namespaces = Namespaces::default();
    for namespace in all {
        let name = namespace.name_any();
        let ending = namespace.metadata.deletion_timestamp.is_some().then(|| "ending".to_owned());
        match run_of(&namespace.metadata).or(ending) {
            Some(why) => drop(namespaces.left_out.insert(name, why)),
            None => drop(namespaces.staying.insert(name, enforced(namespace.labels()))),
        }
    }
    Ok(namespaces)
}

/// The standard that labels say is enforced, and which version of it where that is not the server's own.
fn enforced(labels: &BTreeMap<String, String>) -> Option<String> {
    let level = labels.get(ENFORCED)?;
    let pinned = labels.get(ENFORCED_VERSION).filter(|version| *version != "latest");
    Some(pinned.map_or(level.clone(), |version| format!("{level} of {version}")))
}

/// The system's namespaces (kubernetes, pkg/apis/core and cmd/kubeadm: `NamespaceSystem`, `NamespacePublic`, `NamespaceNodeLease`), and that of the
/// account which ci/deploy/rbac.yaml makes. A prefix of theirs anybody may use.
const SYSTEM: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "oke-conformance"];

/// Whether a namespace matches `globs`, or belongs to the cluster's users where none is given.
pub fn in_scope(name: &str, globs: &[String]) -> bool {
    if globs.is_empty() {
        return !SYSTEM.contains(&name);
    }
    globs.iter().any(|pattern| glob::matches(pattern, name))
}

/// An image by digest that every node in `hosts` already has: the sandbox's own `pause` where the nodes list it, else one that a
/// DaemonSet in kube-system runs everywhere.
///
/// # Errors
/// A sentence that says what to give instead.
pub async fn agent_image(inventory: &Inventory, hosts: &[NodeFacts], nodes: &[Node]) -> Result<AgentImage, String> {
    let listed = |node: &Node| -> Vec<String> {
        node.status
            .iter()
            .flat_map(|status| status.images.iter().flatten())
            .flat_map(|image| image.names.iter().flatten())
            .cloned()
            .collect()
    };
    let lists: Vec<Vec<String>> =
        nodes.iter().filter(|node| hosts.iter().any(|host| host.name == node.name_any())).map(listed).collect();
    if let Some(pause) = lists
        .first()
        .and_then(|first| first.iter().find(|name| is_pause(name) && lists.iter().all(|list| list.contains(name))))
    {
        return Ok(AgentImage { reference: pause.clone(), pull: false, tag: tag_of(nodes, pause) });
    }
    // A node lists its 50 largest images only, and pause is the smallest there is.
    match inventory.pods().await.map(|pods| everywhere(&pods, hosts)) {
        Ok(Some(reference)) => Ok(AgentImage { tag: tag_of(nodes, &reference), reference, pull: false }),
        Ok(None) => Err("no image by digest is on every node; name one with --agent-image, by digest, that the nodes have or may pull".into()),
        Err(error) => Err(format!("cannot look for an image that every node has ({}); name one with --agent-image", crate::told::told(&error))),
    }
}

/// A tag that the image `reference` has on some node.
pub fn tag_of(nodes: &[Node], reference: &str) -> Option<String> {
    let (_, digest) = reference.split_once('@')?;
    let images = nodes.iter().filter_map(|node| node.status.as_ref()?.images.as_ref()).flatten();
    let mut names = images
        .filter_map(|image| image.names.as_ref())
        .filter(|names| names.iter().any(|name| name.split_once('@').is_some_and(|(_, known)| known == digest)));
    names.find_map(|names| names.iter().find(|name| !name.contains('@')).cloned())
}

fn is_pause(name: &str) -> bool {
    name.split_once("@sha256:")
        .is_some_and(|(repository, _)| repository.rsplit('/').next().is_some_and(|last| last.contains("pause")))
}

fn everywhere(pods: &[Pod], hosts: &[NodeFacts]) -> Option<String> {
    let system = pods.iter().filter(|pod| pod.namespace().as_deref() == Some("kube-system"));
    let mut sets: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in system {
        for owner in pod.owner_references().iter().filter(|owner| owner.kind == "DaemonSet") {
            sets.entry(&owner.name).or_default().push(pod);
        }
    }
    sets.values().find_map(|owned| {
        let image_on = |host: &NodeFacts| {
            let pod = owned
                .iter()
                .find(|pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(host.name.as_str()))?;
            let id = &pod.status.as_ref()?.container_statuses.as_ref()?.first()?.image_id;
            id.contains("@sha256:").then(|| id.trim_start_matches("docker-pullable://").to_owned())
        };
        let mut images = hosts.iter().map(image_on);
        let first = images.next()??;
        images.all(|image| image.as_ref() == Some(&first)).then_some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::nothing(&[], None)]
    #[case::servers_own(&[(ENFORCED, "restricted")], Some("restricted"))]
    #[case::latest(&[(ENFORCED, "restricted"), (ENFORCED_VERSION, "latest")], Some("restricted"))]
    #[case::pinned(&[(ENFORCED, "baseline"), (ENFORCED_VERSION, "v1.24")], Some("baseline of v1.24"))]
    #[case::version_of_nothing(&[(ENFORCED_VERSION, "v1.24")], None)]
    fn which_standard_is_enforced(#[case] labels: &[(&str, &str)], #[case] expected: Option<&str>) {
        let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        assert_eq!(enforced(&labels).as_deref(), expected);
    }

    #[rstest]
    #[case::users("tenant-a", &[], true)]
    #[case::system("kube-system", &[], false)]
    #[case::own("oke-conformance", &[], false)]
    #[case::a_prefix_is_anybodys("kube-mine", &[], true)]
    #[case::and_so_is_ours("oke-conformance-12", &[], true)]
    #[case::named("kube-system", &["kube-system"], true)]
    #[case::glob("tenant-a", &["tenant-*"], true)]
    fn which_namespaces(#[case] name: &str, #[case] globs: &[&str], #[case] expected: bool) {
        let globs: Vec<String> = globs.iter().map(ToString::to_string).collect();
        assert_eq!(in_scope(name, &globs), expected);
    }

    #[rstest]
    #[case("registry.k8s.io/pause@sha256:ab", true)]
    #[case("iad.ocir.io/x/oke-public-pause@sha256:ab", true)]
    #[case("registry.k8s.io/pause:3.10", false)]
    #[case("example.com/pause/app@sha256:ab", false)]
    fn which_image_is_pause(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_pause(name), expected);
    }

    #[test]
    fn so_many_probe_hosts_a_pool() {
        let node = |name: &str, pool: &str, hosts_probes: bool| NodeFacts {
            name: name.into(),
            pool: pool.into(),
            without_probe: (!hosts_probes).then(|| "cordoned".into()),
            ..NodeFacts::default()
        };
        let nodes = [node("c", "c", false), node("w1", "p", true), node("w2", "p", true), node("w3", "q", true)];
        let names = |sample| some_of_each_pool(&nodes, sample).into_iter().map(|node| node.name).collect::<Vec<_>>();
        assert_eq!(names(1), ["w1", "w3"]);
        assert_eq!(names(2), ["w1", "w2", "w3"]);
    }

    #[rstest]
    #[case::tainted(json!({ "taints": [{ "key": "gpu", "effect": "NoSchedule" }] }), json!({}), None, 1)]
    #[case::a_mere_preference(json!({ "taints": [{ "key": "spot", "effect": "PreferNoSchedule" }] }), json!({}), None, 0)]
    #[case::cordoned(json!({ "unschedulable": true }), json!({}), Some("cordoned"), 0)]
    #[case::control_plane(json!({}), json!({ "node-role.kubernetes.io/control-plane": "" }), Some("a control plane"), 0)]
    fn who_hosts_a_probe(
        #[case] spec: serde_json::Value,
        #[case] labels: serde_json::Value,
        #[case] without_probe: Option<&str>,
        #[case] taints: usize,
    ) {
        let node = json!({
            "metadata": { "name": "n", "labels": labels }, "spec": spec,
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        let facts = node_facts(&serde_json::from_value(node).unwrap());
        assert_eq!((facts.without_probe.as_deref(), facts.taints.len()), (without_probe, taints));
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
            node("v", "v", Some("virtual")),
        ];
        let told: Vec<_> = idle_pools(&nodes).into_iter().map(|idle| (idle.pool, idle.why, idle.for_good)).collect();
        assert_eq!(told, [("q".into(), "c (not ready)".into(), false), ("v".into(), "v (virtual)".into(), true)]);
    }

    #[test]
    fn an_image_that_one_daemon_set_runs_on_every_host_will_do() {
        let pod = |set: &str, node: &str, image: &str| -> Pod {
            serde_json::from_value(serde_json::json!({
                "metadata": { "namespace": "kube-system", "ownerReferences": [
                    { "apiVersion": "apps/v1", "kind": "DaemonSet", "name": set, "uid": "u" },
                ] },
                "spec": { "nodeName": node, "containers": [] },
                "status": { "containerStatuses": [
                    { "name": "a", "image": "i", "imageID": image, "ready": true, "restartCount": 0 },
                ] },
            }))
            .unwrap()
        };
        let hosts = ["w1", "w2"].map(|name| NodeFacts { name: name.into(), ..NodeFacts::default() });
        let pods = [pod("a", "w1", "r/a@sha256:1"), pod("b", "w1", "r/b@sha256:2"), pod("b", "w2", "r/b@sha256:2")];
        assert_eq!(everywhere(&pods, &hosts).as_deref(), Some("r/b@sha256:2"));
        assert_eq!(everywhere(&pods[..2], &hosts), None);
    }
}
