//! A Docker engine that answers: the one that is there, or one started here.

mod capability;
mod start;

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::tool;

/// Makes a Docker engine answer: the one that `DOCKER_HOST` or the default socket leads to; where none answers and we are
/// root on Linux, one is started (and installed first, where apt-get can).
///
/// # Errors
/// One sentence: what is missing and what to do about it.
pub async fn ensure(progress: &dyn Fn(&str)) -> anyhow::Result<()> {
    if tool::exists("docker") {
        match answer().await {
            Answer::Yes => return Ok(()),
            Answer::Denied => bail!(
                "the Docker engine's socket is there but this user may not open it; add the user to the group `docker`, or run as root"
            ),
            Answer::Silence(said) => {
                if let Some(host) = std::env::var_os("DOCKER_HOST") {
                    bail!(
                        "no Docker engine answers at DOCKER_HOST={} ({said}); start it, or unset DOCKER_HOST",
                        host.to_string_lossy()
                    );
                }
            }
        }
    }
    start::start(progress).await
}

/// Starts one privileged container from an image that is there, as every node of the range is one.
///
/// # Errors
/// When the engine cannot run it: a rootless or remote engine, or a missing capability.
pub async fn ensure_privileged(image: &str) -> anyhow::Result<()> {
    let mut probe = Command::new("docker");
    probe.args(["run", "--rm", "--privileged", "--network=none", "--pull=never", "--entrypoint=true", image]);
    tokio::time::timeout(Duration::from_secs(60), tool::output(&mut probe))
        .await
        .context("a privileged container did not end within 60 s; restart the Docker engine")?
        .context("this Docker engine cannot run privileged containers, which every kind node is; use an engine that runs as root on this machine")?;
    Ok(())
}

/// What the engine's socket says.
enum Answer {
    Yes,
    Denied,
    Silence(String),
}

async fn answer() -> Answer {
    let mut version = Command::new("docker");
    version.args(["version", "--format", "{{.Server.Version}}"]);
    match tokio::time::timeout(Duration::from_secs(10), tool::text(&mut version)).await {
        Ok(Ok(_)) => Answer::Yes,
        Ok(Err(error)) if error.to_string().to_lowercase().contains("permission denied") => Answer::Denied,
        Ok(Err(error)) => Answer::Silence(format!("{error:#}")),
        Err(_) => Answer::Silence("no answer within 10 s".to_owned()),
    }
}
