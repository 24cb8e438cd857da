//! What the cluster is, found before the first attempt.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, Error, ResourceExt};

use crate::cluster::inventory::Inventory;
use crate::glob;
use crate::probe::start::AgentImage;
use crate::record::facts::NodeFacts;
use crate::sandbox::RUN;
use crate::standard::ENFORCED;

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
    let kept_out = spec.taints.iter().flatten().any(|taint| taint.effect != "PreferNoSchedule");
    let without_probe = if is_virtual(node) {
        Some("virtual")
    } else if !ready {
        Some("not ready")
    } else if spec.unschedulable.unwrap_or(false) {
        Some("unschedulable")
    } else {
        kept_out.then_some("tainted")
    };
    NodeFacts {
        pool: pool.unwrap_or(&name).clone(),
        name,
        architecture: info.map(|info| info.architecture.clone()).unwrap_or_default(),
        runtime: info.map(|info| info.container_runtime_version.clone()).unwrap_or_default(),
        addresses: node
            .status
            .iter()
            .flat_map(|status| status.addresses.iter().flatten())
            .filter(|address| address.type_ == "InternalIP")
            .map(|address| address.address.clone())
            .collect(),
        without_probe: without_probe.map(str::to_owned),
    }
}

fn is_virtual(node: &Node) -> bool {
    node.annotations().contains_key(VIRTUAL) || node.labels().contains_key(VIRTUAL)
}

/// The first node of each pool that can host a probe.
pub fn one_per_pool(nodes: &[NodeFacts]) -> Vec<NodeFacts> {
    let mut chosen: Vec<NodeFacts> = Vec::new();
    for node in nodes.iter().filter(|node| node.hosts_probes()) {
        if !chosen.iter().any(|other| other.pool == node.pool) {
            chosen.push(node.clone());
        }
    }
    chosen
}

/// Every namespace that is not ending and not a run's own, and the Pod Security Standard that its labels say is enforced there.
///
/// # Errors
/// The API server's own words.
pub async fn namespaces(client: &Client) -> Result<BTreeMap<String, Option<String>>, Error> {
    let all = Api::<Namespace>::all(client.clone()).list_metadata(&ListParams::default()).await?.items;
    let staying = all.into_iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_none());
    let others = staying.filter(|namespace| !namespace.labels().contains_key(RUN));
    Ok(others.map(|namespace| (namespace.name_any(), namespace.labels().get(ENFORCED).cloned())).collect())
}

/// Whether a namespace matches `globs`, or belongs to the cluster's users where none is given.
pub fn in_scope(name: &str, globs: &[String]) -> bool {
    if globs.is_empty() {
        // Neither the system's nor our own.
        return !name.starts_with("kube-") && !name.starts_with("oke-conformance");
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
        return Ok(AgentImage { reference: pause.clone(), pull: false });
    }
    // A node lists its 50 largest images only, and pause is the smallest there is.
    match inventory.pods().await.map(|pods| everywhere(&pods, hosts)) {
        Ok(Some(reference)) => Ok(AgentImage { reference, pull: false }),
        Ok(None) => Err("no image by digest is on every node; name one with --agent-image, by digest, that the nodes have or may pull".into()),
        Err(error) => Err(format!("cannot look for an image that every node has ({}); name one with --agent-image", crate::told::told(&error))),
    }
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

    #[rstest]
    #[case::users("tenant-a", &[], true)]
    #[case::system("kube-system", &[], false)]
    #[case::own("oke-conformance-12", &[], false)]
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
    fn one_probe_host_a_pool() {
        let node = |name: &str, pool: &str, hosts_probes: bool| NodeFacts {
            name: name.into(),
            pool: pool.into(),
            without_probe: (!hosts_probes).then(|| "tainted".into()),
            ..NodeFacts::default()
        };
        let nodes = [node("c", "c", false), node("w1", "p", true), node("w2", "p", true), node("w3", "q", true)];
        let names: Vec<String> = one_per_pool(&nodes).into_iter().map(|node| node.name).collect();
        assert_eq!(names, ["w1", "w3"]);
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
