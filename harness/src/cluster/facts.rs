//! What the cluster is, found before the first attempt.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, Error, ResourceExt};

use crate::cluster::inventory::Inventory;
use crate::glob;
use crate::probe::start::AgentImage;
use crate::record::facts::NodeFacts;
use crate::sandbox::standing::run_of;
use crate::standard::{ENFORCED, ENFORCED_VERSION};

/// A kubelet's port (kubernetes, pkg/cluster/ports: `KubeletPort`).
pub const KUBELET_PORT: u16 = 10250;

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
