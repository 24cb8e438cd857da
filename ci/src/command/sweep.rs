//! `cargo xtask sweep`: what killed runs have left in a cluster goes now, not when it expires.

use anyhow::{Context, Error, Result};
use ci::range::Range;
use clap::Args;
use harness::cluster::connect::{Target, connect};
use harness::sandbox::sweep_all;
use harness::settings;

#[derive(Args)]
pub(crate) struct Arguments {
    /// As the suite's: `kind:NAME`, a name from conformance.toml, or a context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    cluster: String,
}

pub(crate) async fn run(Arguments { cluster }: Arguments) -> Result<()> {
    let connection = connect(&target(&cluster).await?).await?;
    let swept = sweep_all(&connection.client).await.map_err(Error::msg);
    match swept.with_context(|| format!("cluster {cluster} is not swept"))? {
        0 => println!("no run has left anything in cluster {cluster}"),
        1 => println!("what a run had left in cluster {cluster} is gone"),
        runs => println!("what {runs} runs had left in cluster {cluster} is gone"),
    }
    Ok(())
}

async fn target(cluster: &str) -> Result<Target> {
    if let Some(range) = cluster.strip_prefix("kind:") {
        let range = Range::attach(range).await.with_context(|| format!("cluster {cluster} cannot be used"))?;
        let kubeconfig = Some(range.kubeconfig().to_owned());
        return Ok(Target { name: cluster.to_owned(), kubeconfig, context: range.context() });
    }
    let here = std::env::current_dir().context("the working directory is gone")?;
    Ok(Target::of(cluster, &settings::find(&here, cluster)?.unwrap_or_default()))
}
