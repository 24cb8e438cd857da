//! A Docker engine that answers: the one that is there, or one started here.

pub(crate) mod capability;
mod start;

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::progress::Tell;
use crate::tool;

/// Makes a Docker engine answer: the one that `DOCKER_HOST` or the default socket leads to; where none answers and we are
/// root on Linux, one is started (and installed first, where apt-get can).
///
/// # Errors
/// One sentence: what is missing and what to do about it.
pub async fn ensure(tell: &dyn Tell) -> anyhow::Result<()> {
    if tool::exists("docker") && answers().await? {
        return Ok(());
    }
    start::may_we()?;
    start::install(tell).await?;
    // The client alone may have been missing, and a package may start its own service.
    if answers().await? {
        return Ok(());
    }
    start::start(tell).await
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

/// Whether an engine answers, where silence means that one may be started.
async fn answers() -> anyhow::Result<bool> {
    match answer().await {
        Answer::Yes => Ok(true),
        Answer::Denied => bail!(
            "the Docker engine's socket is there but this user may not open it; add the user to the group `docker`, or \
             run as root"
        ),
        Answer::Silence(said) => match std::env::var("DOCKER_HOST") {
            Ok(host) => {
                bail!("no Docker engine answers at DOCKER_HOST={host} ({said}); start it, or unset DOCKER_HOST")
            }
            Err(_) => Ok(false),
        },
    }
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
