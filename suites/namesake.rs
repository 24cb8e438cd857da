//! `kind` and `kind:NAME` are this program's own words, and may be what somebody's cluster is called all the same.
use std::path::Path;

use anyhow::{Result, bail};
use harness::cluster::connect::place_of_context;
use harness::settings::{ClusterSettings, heading};

use crate::cli::{Cli, Cluster};

/// The entry of conformance.toml under a word of ours, where it can be meant for a cluster of ours; `None` where it is somebody's own cluster's and
/// nobody has asked for that.
///
/// # Errors
/// One sentence where what `cli` asks for may be either, and how each is had.
pub fn settle(cli: &Cli, entry: Option<ClusterSettings>, here: &Path) -> Result<Option<ClusterSettings>> {
    let name = &cli.cluster;
    let elsewhere = entry.as_ref().is_some_and(|entry| entry.context.is_some() || entry.kubeconfig.is_some());
    let means = entry.as_ref().and_then(|entry| entry.context.as_ref()).unwrap_or(name);
    let otherwise =
        format!("for yours, call its entry in conformance.toml otherwise: [cluster.NAME] with context = {means:?}");
    match cli.cluster() {
        Cluster::ThrowAway => {
            let context = place_of_context(name, here).map(|place| format!("context {name} in {place}"));
            let entry_too = elsewhere.then(|| format!("{} in conformance.toml", heading(name)));
            let theirs: Vec<String> = context.into_iter().chain(entry_too).collect();
            if theirs.is_empty() {
                return Ok(entry);
            }
            if cli.cluster_is_named {
                bail!(
                    "--cluster {name} may mean a throw-away cluster, or yours ({}): leave --cluster away for a throw-away one; {otherwise}",
                    theirs.join(", ")
                );
            }
            Ok(None)
        }
        Cluster::Range(range) if elsewhere => bail!(
            "--cluster {name} is the range {range:?} of this machine, and {} in conformance.toml means another cluster; {otherwise}",
            heading(name)
        ),
        _ => Ok(entry),
    }
}

/// What ends the sentence about a range that cannot be used, where somebody's own cluster may have been meant.
pub fn hint(cli: &Cli, here: &Path) -> String {
    let name = &cli.cluster;
    let place = place_of_context(name, here);
    place
        .map(|place| {
            format!("; if context {name} in {place} is meant, give it an entry in conformance.toml that is called otherwise: [cluster.NAME] with context = {name:?}")
        })
        .unwrap_or_default()
}
