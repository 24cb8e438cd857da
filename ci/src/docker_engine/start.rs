//! Starts `dockerd` by hand, on a machine that has no service manager to do it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::Command;

use super::{Answer, answer, capability};
use crate::progress::Tell;
use crate::{apt, tool};

/// Logs and the runtime wrapper: a fixed place, so that a later run finds what an earlier one left.
const STATE: &str = "/var/lib/oke-conformance/docker-engine";
const PID_FILE: &str = "/var/run/docker.pid";
const CONTAINERD_PID_FILE: &str = "/var/run/docker/containerd/containerd.pid";
const WRAPPER: &str = include_str!("../../docker-engine/runc-without-sys-resource");
const NEEDS: &[apt::Need] =
    &[("dockerd", "docker.io"), ("docker", "docker.io"), ("iptables", "iptables"), ("runc", "runc"), ("jq", "jq")];

/// # Errors
/// Where no engine can be started by us, in words for who reads them.
pub(super) fn may_we() -> anyhow::Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("no Docker engine answers; start Docker Desktop or another engine and try again");
    }
    if !tool::are_we_root() {
        bail!(
            "no Docker engine answers and only root may start one; start dockerd, or set DOCKER_HOST to one that runs"
        );
    }
    Ok(())
}

/// # Errors
/// When a package is missing and cannot be installed.
pub(super) async fn install(tell: &dyn Tell) -> anyhow::Result<()> {
    apt::ensure(NEEDS, tell).await.context("no Docker engine answers and none can be installed")
}

/// # Errors
/// When the engine does not answer in time: what its log says.
pub(super) async fn start(tell: &dyn Tell) -> anyhow::Result<()> {
    let since = Instant::now();
    let log = Path::new(STATE).join("dockerd.log");
    if another_starts() {
        tell.line("a Docker engine is starting; waiting for it");
    } else {
        tell.line("starting the Docker engine");
        forget_dead_engine()?;
        std::fs::create_dir_all(STATE).with_context(|| format!("{STATE} cannot be created"))?;
        launch(&log)?;
    }
    wait(&log).await?;
    let took = since.elapsed().as_secs_f32();
    tell.line(&format!("the Docker engine answers ({took:.1} s), its log is {}", log.display()));
    Ok(())
}

/// A living dockerd that does not answer yet: another process of ours was first.
fn another_starts() -> bool {
    runs(PID_FILE) == Some("dockerd".to_owned())
}

/// dockerd refuses to start when its pid file names a living process, which after a reboot may be anybody.
fn forget_dead_engine() -> anyhow::Result<()> {
    for file in [PID_FILE, CONTAINERD_PID_FILE] {
        if Path::new(file).exists() && runs(file) != Some("containerd".to_owned()) {
            std::fs::remove_file(file)
                .with_context(|| format!("{file} is left from an earlier engine and cannot be removed"))?;
        }
    }
    Ok(())
}

/// The name of the living process that a pid file names.
fn runs(pid_file: &str) -> Option<String> {
    let pid = std::fs::read_to_string(pid_file).ok()?;
    let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.trim())).ok()?;
    Some(name.trim().to_owned())
}

fn launch(log: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    let mut dockerd = Command::new("setsid");
    dockerd.args(["--fork", "dockerd"]);
    if !capability::has_sys_resource() {
        let wrapper = install_wrapper()?;
        dockerd
            .arg(format!("--add-runtime=without-sys-resource={wrapper}"))
            .arg("--default-runtime=without-sys-resource");
    }
    dockerd
        .stdin(Stdio::null())
        .stdout(file.try_clone().context("the log cannot be shared")?)
        .stderr(file)
        .spawn()
        .context("dockerd could not be started")?;
    Ok(())
}

/// # Errors
/// When the state directory cannot be written.
fn install_wrapper() -> anyhow::Result<String> {
    use std::os::unix::fs::PermissionsExt;
    let path = format!("{STATE}/runc-without-sys-resource");
    std::fs::write(&path, WRAPPER).with_context(|| format!("{path} cannot be written"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("{path} cannot be made executable"))?;
    Ok(path)
}

async fn wait(log: &Path) -> anyhow::Result<()> {
    // Long enough to clear what containers of an earlier life left: networks, mounts, iptables rules.
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match answer().await {
            Answer::Yes => return Ok(()),
            _ if Instant::now() < until => tokio::time::sleep(Duration::from_millis(200)).await,
            _ => bail!("dockerd does not answer 60 s after its start; {}", last_error(log)),
        }
    }
}

fn last_error(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    match text.lines().rev().find(|line| line.contains("failed") || line.contains("level=fatal")) {
        Some(line) => format!("its log {} says: {line}", log.display()),
        None => format!("its log is {}", log.display()),
    }
}
