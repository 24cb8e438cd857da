//! The node image is a real kind node image: the `kind` program starts a cluster from it, without a word of configuration.

use std::path::Path;

use tokio::process::Command;

use ci::{docker_engine, node_image, tool};

const CLUSTER: &str = "image-acceptance";

#[tokio::test]
#[ignore = "builds an image and starts a cluster, which takes minutes; run by .ci/run"]
async fn kind_starts_a_cluster_from_the_image() -> anyhow::Result<()> {
    let progress = |line: &str| eprintln!("{line}");
    docker_engine::ensure(&progress).await?;
    let image = node_image::ensure_built(&progress).await?;
    docker_engine::ensure_privileged(&image).await?;
    let kind = node_image::kind_binary(&progress).await?;
    let state = tempfile::tempdir()?;
    let kubeconfig = state.path().join("kubeconfig");

    // What an earlier run left, when it was cut off.
    delete(&kind, &kubeconfig).await?;
    let created = create(&kind, &kubeconfig, &image).await;
    let runs = match created {
        Ok(()) => runs_a_pod_by_digest().await,
        Err(error) => Err(error),
    };
    delete(&kind, &kubeconfig).await?;
    runs
}

async fn create(kind: &Path, kubeconfig: &Path, image: &str) -> anyhow::Result<()> {
    let mut create = Command::new(kind);
    create.args(["create", "cluster", "--name", CLUSTER, "--image", image, "--wait", "180s", "--kubeconfig"]);
    tool::output(create.arg(kubeconfig)).await?;
    // kind ends well when its wait is over; the node says whether it was in vain.
    kubectl(&["wait", "--for=condition=Ready", "node", "--all", "--timeout=5s"]).await?;
    kubectl(&["wait", "--for=condition=Available", "deployment/coredns", "--namespace=kube-system", "--timeout=120s"])
        .await?;
    Ok(())
}

/// As the suite's own probes run: the pause image by its digest, and never a pull.
async fn runs_a_pod_by_digest() -> anyhow::Result<()> {
    let names = kubectl(&["get", "nodes", "--output=jsonpath={.items[*].status.images[*].names[*]}"]).await?;
    let pause = names.split_whitespace().find(|name| name.contains("/pause@sha256:"));
    let pause = pause.expect("the node lists the pause image by its digest");
    kubectl(&["run", "probe", "--image", pause, "--image-pull-policy=Never"]).await?;
    kubectl(&["wait", "--for=condition=Ready", "pod/probe", "--timeout=60s"]).await?;
    Ok(())
}

/// The node's own kubectl: none is asked of this machine.
async fn kubectl(arguments: &[&str]) -> anyhow::Result<String> {
    let mut kubectl = Command::new("docker");
    kubectl.args(["exec", &format!("{CLUSTER}-control-plane"), "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"]);
    tool::text(kubectl.args(arguments)).await
}

async fn delete(kind: &Path, kubeconfig: &Path) -> anyhow::Result<()> {
    tool::output(Command::new(kind).args(["delete", "cluster", "--name", CLUSTER, "--kubeconfig"]).arg(kubeconfig))
        .await?;
    Ok(())
}
