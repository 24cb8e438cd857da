//! `cargo xtask sweep`.

use anyhow::Result;
use clap::Args;
use harness::printable;
use harness::sandbox::Swept;

#[derive(Args)]
pub(crate) struct Arguments {
    /// As the suite's: `kind:NAME`, a name from conformance.toml, or a context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    cluster: String,
}

pub(crate) async fn run(Arguments { cluster }: Arguments) -> Result<()> {
    let Swept { runs, warning } = ci::sweep::sweep(&cluster).await?;
    match (runs, &warning) {
        (0, None) => println!("no run has left anything in cluster {cluster}"),
        (0, Some(_)) => println!("no run has left anything in cluster {cluster} that could be taken away"),
        (1, _) => println!("what a run had left in cluster {cluster} is gone"),
        (runs, _) => println!("what {runs} runs had left in cluster {cluster} is gone"),
    }
    if let Some(held) = warning {
        eprintln!("warning: {}", printable::line(&held));
    }
    Ok(())
}
