//! What killed runs have left in a cluster goes now, not when it expires.

use anyhow::{Context, Error, Result};
use harness::cluster::connect::{Target, connect};
use harness::sandbox::{Swept, sweep_all};
use harness::settings;

use crate::range::Range;

/// Sweeps `cluster`, named as the suite's `--cluster` names it, and says what there was.
///
/// # Errors
/// When there is no such cluster, it does not answer, or it keeps what should go.
pub async fn sweep(cluster: &str) -> Result<Swept> {
    let connection = connect(&target(cluster).await?).await?;
    let swept = sweep_all(&connection.client).await.map_err(Error::msg);
    swept.with_context(|| format!("cluster {cluster} is not swept"))
}

async fn target(cluster: &str) -> Result<Target> {
    let here = std::env::current_dir().context("the working directory is gone")?;
    if let Some(range) = cluster.strip_prefix("kind:") {
        let range = Range::attach(range).await.with_context(|| format!("cluster {cluster} cannot be used"))?;
        let kubeconfig = Some(range.kubeconfig().to_owned());
        return Ok(Target { name: cluster.to_owned(), kubeconfig, context: range.context(), here });
    }
    Ok(Target::of(cluster, &settings::find(&here, cluster)?.unwrap_or_default(), here))
}
