//! Loads images into the store of a node that does not run yet.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

use super::container_image::{Archive, Image};
use crate::tool;

/// Fills `root`'s `/var/lib/containerd`, by a containerd of our own that serves nothing else.
///
/// # Errors
/// When containerd does not start here or refuses an archive.
pub(super) async fn fill(containerd: &Path, archive: &Archive, work: &Path, root: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(work)?;
    let store = root.join("var/lib/containerd");
    let socket = work.join("socket");
    let config = work.join("config.toml");
    // Without the kubelet's interface: it would look for a network and a runtime.
    std::fs::write(
        &config,
        format!(
            "version = 3\nroot = {store:?}\nstate = {state:?}\n\
             disabled_plugins = [\"io.containerd.cri.v1.images\", \"io.containerd.cri.v1.runtime\", \"io.containerd.grpc.v1.cri\", \
             \"io.containerd.nri.v1.nri\", \"io.containerd.internal.v1.opt\"]\n\
             [grpc]\naddress = {socket:?}\n[ttrpc]\naddress = {ttrpc:?}\n",
            state = work.join("state"),
            ttrpc = work.join("ttrpc"),
        ),
    )?;
    let log = work.join("log");
    let mut daemon = Command::new(containerd.join("containerd"))
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log)?)
        .kill_on_drop(true)
        .spawn()
        .context("containerd could not be started")?;

    let ctr = || {
        let mut ctr = Command::new(containerd.join("ctr"));
        ctr.arg("--address").arg(&socket).arg("--namespace=k8s.io");
        ctr
    };
    let loaded = async {
        wait(ctr, &log).await?;
        import(ctr, archive).await?;
        for image in &archive.images {
            name_by_digest(ctr, image).await?;
        }
        anyhow::Ok(())
    }
    .await;
    stop(&mut daemon).await?;
    loaded?;
    // Each node's own.
    for own in ["io.containerd.grpc.v1.introspection", "tmpmounts"] {
        let _ = std::fs::remove_dir_all(store.join(own));
    }
    Ok(())
}

async fn wait(ctr: impl Fn() -> Command, log: &Path) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(20);
    while tool::output(ctr().arg("version")).await.is_err() {
        if Instant::now() > until {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            bail!(
                "containerd does not answer 20 s after its start: {}",
                said.lines().last().unwrap_or("it said nothing")
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Not unpacked: that is done by the node, with the snapshotter that its disk allows.
async fn import(ctr: impl Fn() -> Command, archive: &Archive) -> anyhow::Result<()> {
    let mut import = ctr();
    import.args(["images", "import", "--no-unpack"]).arg(&archive.path);
    tool::output(&mut import).await.context("containerd refuses the images")?;
    Ok(())
}

/// A pod that names an image by its digest runs without a pull as well.
async fn name_by_digest(ctr: impl Fn() -> Command, image: &Image) -> anyhow::Result<()> {
    let mut tag = ctr();
    tag.args(["images", "tag", &image.reference, &by_digest(image)]);
    tool::output(&mut tag)
        .await
        .with_context(|| format!("the image {} cannot be named by its digest", image.reference))?;
    Ok(())
}

fn by_digest(image: &Image) -> String {
    let name = image.reference.rsplit_once(':').map_or(image.reference.as_str(), |(name, _)| name);
    format!("{name}@{}", image.digest)
}

/// By SIGTERM, so that its database is closed.
async fn stop(daemon: &mut Child) -> anyhow::Result<()> {
    let Some(id) = daemon.id() else { return Ok(()) };
    tool::output(Command::new("kill").arg(id.to_string())).await?;
    if tokio::time::timeout(Duration::from_secs(10), daemon.wait()).await.is_err() {
        daemon.kill().await?;
    }
    Ok(())
}
