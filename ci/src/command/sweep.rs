//! `cargo xtask sweep`.

use anyhow::Result;
use clap::Args;

#[derive(Args)]
pub(crate) struct Arguments {
    /// As the suite's: `kind:NAME`, a name from conformance.toml, or a context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    cluster: String,
}

pub(crate) async fn run(Arguments { cluster }: Arguments) -> Result<()> {
    match ci::sweep::sweep(&cluster).await? {
        0 => println!("no run has left anything in cluster {cluster}"),
        1 => println!("what a run had left in cluster {cluster} is gone"),
        runs => println!("what {runs} runs had left in cluster {cluster} is gone"),
    }
    Ok(())
}
