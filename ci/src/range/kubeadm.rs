//! Making the three nodes one cluster.

use std::time::Duration;

use anyhow::{Context, Result};

use super::docker::exec;
use super::families::Families;
use super::layout::{Layout, Node};
use super::names::Names;
use super::template::render;

const INIT: &str = include_str!("../../range/kubeadm-init.yaml");
const JOIN: &str = include_str!("../../range/kubeadm-join.yaml");
const ADD_ONS: &str = include_str!("../../range/add-ons.sh");
const PAUSE_BY_DIGEST: &str = include_str!("../../range/pause-by-digest.sh");
const UNTIL_CONTAINERD_RUNS: &str = include_str!("../../range/until-containerd-runs.sh");

/// Known beforehand so that workers need not be told. It opens nothing outside the range's own network.
const TOKEN: &str = "abcdef.0123456789abcdef";

const LIMIT: Duration = Duration::from_secs(180);

/// Starts the control plane.
///
/// # Errors
/// When kubeadm fails.
pub(crate) async fn init(names: &Names, layout: &Layout, families: Families) -> Result<()> {
    let node = &layout.control_plane;
    let version = exec(&node.name, &["cat", "/kind/version"], b"", LIMIT)
        .await
        .context("the node image has no /kind/version, so it is not a kind node image")?;
    let config = render_for(INIT, names, node, families, version.trim())?;
    run(node, "init", &config).await
}

/// Applies the network plug-in and CoreDNS.
///
/// # Errors
/// When the API refuses them.
pub(crate) async fn apply_add_ons(control_plane: &Node, families: Families) -> Result<()> {
    exec(&control_plane.name, &["sh", "-s", "--", &families.pods()], ADD_ONS.as_bytes(), LIMIT)
        .await
        .map(drop)
        .context("the network plug-in and CoreDNS cannot be applied")
}

/// Joins one worker; the API must answer and the token be published, see [`until_joinable`].
///
/// # Errors
/// When kubeadm fails.
pub(crate) async fn join(names: &Names, worker: &Node, families: Families) -> Result<()> {
    let config = render_for(JOIN, names, worker, families, "")?;
    run(worker, "join", &config).await
}

async fn run(node: &Node, verb: &str, config: &str) -> Result<()> {
    let script = format!("cat >/kind/kubeadm.conf && exec kubeadm {verb} --config=/kind/kubeadm.conf --v=1");
    exec(&node.name, &["sh", "-c", &script], config.as_bytes(), LIMIT)
        .await
        .map(drop)
        .with_context(|| format!("kubeadm {verb} failed on node {}", node.name))
}

fn render_for(template: &str, names: &Names, node: &Node, families: Families, version: &str) -> Result<String> {
    render(
        "the kubeadm configuration",
        template,
        &[
            ("KUBERNETES_VERSION", version),
            ("RANGE", names.range()),
            ("CONTROL_PLANE", &names.control_plane()),
            ("NODE", &node.name),
            ("NODE_ADDRESS", &node.address.to_string()),
            ("NODE_ADDRESSES", &families.node(node.address)),
            ("POD_SUBNET", &families.pods()),
            ("SERVICE_SUBNET", &families.services()),
            ("TOKEN", TOKEN),
        ],
    )
}

/// Waits until the API server answers its own node. One loop inside the node: an exec for each try would cost more
/// than the try.
///
/// # Errors
/// When it does not in time.
pub(crate) async fn until_api_answers(control_plane: &Node) -> Result<()> {
    let script = "until kubectl --kubeconfig=/etc/kubernetes/super-admin.conf get --raw=/readyz >/dev/null 2>&1; do sleep 0.2; done";
    poll(control_plane, script).await.context("the API server did not answer")
}

/// Waits until a worker can trust what it finds: the cluster's address, signed with the token.
///
/// # Errors
/// When that is not published in time.
pub(crate) async fn until_joinable(control_plane: &Node) -> Result<()> {
    let (id, _) = TOKEN.split_once('.').expect("a token has two parts");
    let script = format!(
        "until kubectl --kubeconfig=/etc/kubernetes/super-admin.conf -n kube-public get configmap cluster-info -o jsonpath='{{.data.jws-kubeconfig-{id}}}' 2>/dev/null | grep -q .; do sleep 0.2; done"
    );
    poll(control_plane, &script).await.context("the cluster did not publish how to join it")
}

async fn poll(node: &Node, script: &str) -> Result<()> {
    exec(&node.name, &["sh", "-c", script], b"", LIMIT).await.map(drop)
}

/// Waits until the container runtime, and with it the whole system in the container, is up.
///
/// # Errors
/// When it is not in time, or runs without the part that Kubernetes talks to.
pub(crate) async fn until_containerd_runs(node: &Node) -> Result<()> {
    exec(&node.name, &["sh"], UNTIL_CONTAINERD_RUNS.as_bytes(), Duration::from_secs(60))
        .await
        .map(drop)
        .with_context(|| format!("containerd does not serve Kubernetes on node {}", node.name))
}

/// Gives the pause image its digest as a name where the node image has not.
///
/// # Errors
/// When containerd refuses.
pub(crate) async fn name_pause_by_digest(node: &Node) -> Result<()> {
    exec(&node.name, &["sh"], PAUSE_BY_DIGEST.as_bytes(), LIMIT)
        .await
        .map(drop)
        .with_context(|| format!("the pause image cannot be named by digest on node {}", node.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn node(name: &str) -> Node {
        Node { name: name.to_owned(), address: Ipv4Addr::new(172, 18, 0, 2) }
    }

    #[test]
    fn the_control_plane_is_reachable_under_every_name_it_is_called_by() {
        let names = Names::new("range").unwrap();
        let config = render_for(INIT, &names, &node("range-control-plane"), Families::Ipv4, "v1.34.4").unwrap();
        assert!(config.contains(r#"certSANs: [localhost, "127.0.0.1", "172.18.0.2"]"#));
        assert!(config.contains("kubernetesVersion: v1.34.4\n"));
        assert!(config.contains("podSubnet: 10.244.0.0/16\n"));
    }

    #[test]
    fn a_worker_registers_under_its_containers_name_and_address() {
        let names = Names::new("range").unwrap();
        let config = render_for(JOIN, &names, &node("range-worker"), Families::Both, "").unwrap();
        assert!(config.contains("kind://docker/range/range-worker"));
        assert!(config.contains("value: 172.18.0.2,fd00:10::ac12:2\n"));
        assert!(config.contains("apiServerEndpoint: range-control-plane:6443\n"));
    }
}
