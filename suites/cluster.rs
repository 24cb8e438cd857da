//! From `--cluster NAME` to a cluster that answers.
use std::sync::Arc;

use anyhow::{Result, bail};
use ci::progress::Stderr;
use ci::range::{Lifetime, Range};
use harness::cluster::connect::{Connection, Target, connect};
use harness::settings::{self, ClusterSettings};

use crate::cli::{Cli, Cluster};
use crate::namesake;
use crate::signals::Watch;
use crate::whereabouts;

/// A cluster that answers.
pub struct Reached {
    /// Its API server.
    pub connection: Connection,
    /// The range that was started for this run and ends with it.
    pub range: Option<Range>,
}

/// What conformance.toml and the options say of the cluster that `cli` names.
///
/// # Errors
/// One sentence: what is wrong, where, and what to do.
pub fn settings(cli: &Cli) -> Result<ClusterSettings> {
    let here = whereabouts::here();
    let mut settings = namesake::settle(cli, settings::find(&here, &cli.cluster)?, &here)?;
    if settings.is_none() && matches!(cli.cluster(), Cluster::ThrowAway | Cluster::Range(_)) {
        settings = ci::range::settings()?;
    }
    if let (Some(image), settings) = (&cli.agent_image, settings.get_or_insert_default()) {
        settings.agent_image = Some(image.clone());
    }
    let settings = settings.unwrap_or_default();
    if let Some(image) = settings.agent_image.as_ref().filter(|image| !image.contains("@sha256:")) {
        bail!(
            "the agent image {image} may be another tomorrow: name it by digest, as NAME@sha256:SUM, with --agent-image or in conformance.toml"
        );
    }
    Ok(settings)
}

/// Starts or finds the cluster that `cli` names and connects to it.
///
/// # Errors
/// One sentence: what is wrong, where, and what to do.
pub async fn reach(cli: &Cli, settings: &ClusterSettings, signals: &Watch) -> Result<Reached> {
    let (range, keep) = match cli.cluster() {
        Cluster::ThrowAway if cli.plan => bail!(
            "--plan starts no cluster: name one that is there with --cluster; `cargo xtask range up` makes one to keep, kind:range"
        ),
        Cluster::ThrowAway => {
            // The process' own number: two runs on one machine do not get into each other's way.
            let name = format!("run-{}", std::process::id());
            signals.range(&name);
            let progress = Arc::new(Stderr::bare());
            (Some(Range::up(&name, Lifetime::ThrowAway, progress).await?), false)
        }
        Cluster::Range("") => bail!(
            "--cluster kind: names no range; `cargo xtask range status` shows those that are up{}",
            namesake::hint(cli, &whereabouts::here())
        ),
        Cluster::Range(name) => match Range::attach(name).await {
            Ok(range) => (Some(range), true),
            Err(why) => {
                let hint = namesake::hint(cli, &whereabouts::here());
                bail!("cluster {} cannot be used: {why:#}{hint}", cli.cluster)
            }
        },
        Cluster::Named(_) => (None, true),
    };
    let target = match &range {
        Some(range) => Target {
            name: cli.cluster.clone(),
            kubeconfig: Some(range.kubeconfig().to_owned()),
            context: range.context(),
            here: whereabouts::here(),
        },
        None => Target::of(&cli.cluster, settings, whereabouts::here()),
    };
    let connection = connect(&target).await?;
    Ok(Reached { connection, range: if keep { None } else { range } })
}
