//! Hands the node's file system to the Docker engine.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use serde_json::json;
use tokio::process::Command;

use super::base_system::pack;
use super::container_image::{oci_architecture, sha256};

/// Loads a file system as an image of one layer, under a reference.
///
/// An archive rather than `docker import`, which cannot set the stop signal.
///
/// # Errors
/// When the archive cannot be written or the engine does not take it.
pub(super) async fn load(root: &Path, reference: &str, work: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(work)?;
    let layer = work.join("layer.tar");
    pack(root, &layer).await?;
    let config = json!({
        "architecture": oci_architecture(),
        "os": "linux",
        "config": {
            // systemd looks for it.
            "Env": ["container=docker"],
            "Entrypoint": ["/usr/local/bin/entrypoint", "/sbin/init"],
            // On SIGTERM systemd starts itself anew instead of ending.
            "StopSignal": "SIGRTMIN+3",
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer).await?)] },
    });
    std::fs::write(work.join("config.json"), config.to_string())?;
    let manifest = json!([{ "Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"] }]);
    std::fs::write(work.join("manifest.json"), manifest.to_string())?;
    send(work).await.with_context(|| format!("the Docker engine does not take the image {reference}"))
}

/// Through a pipe: the archive is as large as the layer, and is needed once.
async fn send(directory: &Path) -> anyhow::Result<()> {
    let mut tar = Command::new("tar")
        .args(["--create", "--directory"])
        .arg(directory)
        .args(["manifest.json", "config.json", "layer.tar"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("tar could not be started")?;
    let packed: Stdio = tar.stdout.take().context("tar has no output")?.try_into()?;
    // The command goes with this statement, and with it our end of the pipe: tar must notice a docker that gave up.
    let docker = Command::new("docker")
        .args(["load", "--quiet"])
        .stdin(packed)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("docker could not be started")?;
    let loaded = docker.wait_with_output().await?;
    let packed = tar.wait().await?;
    if !loaded.status.success() {
        bail!("{}", String::from_utf8_lossy(&loaded.stderr).trim());
    }
    if !packed.success() {
        bail!("tar cannot pack it ({packed})");
    }
    Ok(())
}
