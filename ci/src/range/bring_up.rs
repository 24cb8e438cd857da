//! From three containers to a cluster, with everything at once that can be at once.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use tokio::try_join;

use super::families::Families;
use super::kubectl::Kubectl;
use super::layout::{Layout, Node};
use super::names::Names;
use super::owner::Owner;
use super::steps::Steps;
use super::unfinished::Unfinished;
use super::{Plan, containers, fence, hardening, kubeadm, kubeconfig, manifests, network, pod_routes, remains};

/// What the containers are made of.
pub(crate) struct Images {
    pub(crate) node: String,
    pub(crate) metadata: String,
}

/// Made-up node pools, one for each worker: OKE names a node's pool in this annotation.
const NODE_POOL: &str = "oci.oraclecloud.com/node-pool-id";
const POOLS: [&str; 2] = ["ocid1.nodepool.oc1.iad.rangepool1", "ocid1.nodepool.oc1.iad.rangepool2"];

/// Brings the range up in the place that the caller has cleared.
pub(crate) async fn run(
    unfinished: &Unfinished,
    names: &Names,
    plan: &Plan,
    images: &Images,
    steps: &Steps,
) -> Result<()> {
    let labels = remains::labels(names, plan.lifetime, &Owner::current());
    let gateway = network::create(names, &labels)?;
    steps.step("containers started", start(unfinished, names, images, &labels, gateway)).await?;

    let layout = Layout::of(names)?;
    let [a, b, c] = layout.nodes();
    let prepared = async {
        try_join!(
            prepare(a, &layout, plan, gateway),
            prepare(b, &layout, plan, gateway),
            prepare(c, &layout, plan, gateway)
        )
    };
    steps.step("nodes booted, routes closed", prepared).await?;

    let kubectl = Kubectl::new(&layout.control_plane.name);
    let initialised = async {
        steps.step("control plane initialised", kubeadm::init(names, &layout, plan.families)).await?;
        write_kubeconfig(names, &layout).await?;
        if plan.hardened {
            steps
                .step("hardening applied", hardening::apply(&kubectl, names, &manifests::data_dir().join("hardened")))
                .await?;
        }
        Ok(())
    };
    let joined = async {
        kubeadm::until_api_answers(&layout.control_plane).await?;
        try_join!(
            steps.step("network plug-in and DNS applied", kubeadm::apply_add_ons(&layout.control_plane, plan.families)),
            steps.step("workers joined", join_workers(names, &layout, plan.families, &kubectl)),
        )?;
        steps.step("nodes and DNS ready", until_ready(&kubectl)).await?;
        steps.step("pods routed between nodes", pod_routes::until_there(&layout, &kubectl)).await
    };
    try_join!(initialised, joined).map(drop)
}

async fn start(
    unfinished: &Unfinished,
    names: &Names,
    images: &Images,
    labels: &[(String, String)],
    gateway: Ipv4Addr,
) -> Result<()> {
    let mut starts = Vec::new();
    for node in names.nodes() {
        let (names, image, labels) = (names.clone(), images.node.clone(), labels.to_vec());
        starts.push(
            unfinished.spawn(async move { containers::start_node(&node, &image, &names, &labels, gateway).await }),
        );
    }
    let (names, image, labels) = (names.clone(), images.metadata.clone(), labels.to_vec());
    starts.push(unfinished.spawn(async move { containers::start_metadata(&image, &names, &labels).await }));
    for start in starts {
        if let Err(error) = start.await? {
            // Asked only now: it would cost every start half a second, and says more than Docker's own error.
            crate::docker_engine::ensure_privileged(&images.node).await?;
            return Err(error);
        }
    }
    Ok(())
}

async fn prepare(node: &Node, layout: &Layout, plan: &Plan, gateway: Ipv4Addr) -> Result<()> {
    // The entrypoint reads the default route; only then may it go.
    kubeadm::until_containerd_runs(node).await?;
    try_join!(fence::close(node, layout.metadata.address, gateway, plan.families), kubeadm::name_pause_by_digest(node))
        .map(drop)
}

async fn join_workers(names: &Names, layout: &Layout, families: Families, kubectl: &Kubectl) -> Result<()> {
    kubeadm::until_joinable(&layout.control_plane).await?;
    let join = async |worker: &Node, pool: &str| {
        kubeadm::join(names, worker, families).await?;
        // kubeadm is done once the kubelet has its certificate; the node is there a moment later.
        kubectl.run(&["wait", "--for=create", &format!("node/{}", worker.name), "--timeout=60s"]).await?;
        kubectl.run(&["annotate", "node", &worker.name, &format!("{NODE_POOL}={pool}")]).await
    };
    let [first, second] = &layout.workers;
    try_join!(join(first, POOLS[0]), join(second, POOLS[1]))?;
    Ok(())
}

async fn until_ready(kubectl: &Kubectl) -> Result<()> {
    try_join!(
        kubectl.run(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=110s"]),
        // Not its condition Available: one replica of one may be missing, and it is Available.
        kubectl.run(&["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=110s"]),
    )
    .context("the cluster did not become ready")?;
    Ok(())
}

/// Writes the range's kubeconfig from what its control plane holds.
///
/// # Errors
/// When the control plane has none, or the file cannot be written.
pub(crate) async fn write_kubeconfig(names: &Names, layout: &Layout) -> Result<()> {
    let kubectl = ["cat", "/etc/kubernetes/admin.conf"];
    let limit = std::time::Duration::from_secs(10);
    let admin = super::docker::exec(&layout.control_plane.name, &kubectl, b"", limit).await?;
    kubeconfig::write(&kubeconfig::path(names)?, &kubeconfig::rewrite(&admin, names, layout.api_port)?)
}

/// Whether the range does what it is for: all containers run, the API answers, all three nodes are ready.
///
/// # Errors
/// The error says what is wrong with it.
pub(crate) async fn check(names: &Names) -> Result<Layout> {
    let layout = Layout::of(names)?;
    let kubectl = Kubectl::new(&layout.control_plane.name);
    let jsonpath =
        r#"jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
    let nodes = kubectl.run(&["get", "nodes", "--request-timeout=5s", "-o", jsonpath]).await?;
    for name in names.nodes() {
        if !nodes.lines().any(|line| line == format!("{name} True")) {
            bail!("node {name} is not ready");
        }
    }
    Ok(layout)
}
