//! `cargo xtask`: what one does around the suite.

mod command;
mod console;

use std::process::ExitCode;

use ci::bench::Part;
use ci::range::Engine;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "What one does around the suite", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The range: a real three-node cluster on this machine to run the suite against
    Range {
        #[command(subcommand)]
        command: command::range::Command,
    },
    /// Make the node image, or find that it is made already, and print its name
    NodeImage,
    /// Take away what killed runs have left in a cluster; a run that is at work there loses what it has made, too
    Sweep(command::sweep::Arguments),
    /// Prove the scenarios about PodSecurityPolicy on an API server of Kubernetes 1.24, which still has it
    #[command(name = "before-1.25")]
    Before125,
    /// Hold the suite's dry runs and reviews against real API servers of several versions of Kubernetes
    Versions {
        /// Some of them, as `1.31`; all where none is named
        versions: Vec<String>,
    },
    /// Measure the suite by policies with one hole each: it must find them all, each in the right scenario
    Holes {
        /// On a range that is up, hardened and whole; one of its own where none is named
        #[arg(long, value_name = "NAME")]
        range: Option<String>,
        /// In this engine's policies alone; in all but Gatekeeper's, whose program takes minutes to build, where none is named
        #[arg(long)]
        engine: Option<Engine>,
    },
    /// Run every test: those that need no cluster, then those that do, then the proof by sabotage, with each engine and under faults
    Check,
    /// Print how long things take here
    Bench {
        /// Some of it; all where none is named
        parts: Vec<Part>,
        /// On a range that is up, hardened and whole; one of its own where none is named
        #[arg(long, value_name = "NAME")]
        range: Option<String>,
    },
    /// Write the coverage tables of scenarios/README.md from the scenarios
    Readme,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    console::run(async move {
        match arguments.command {
            Command::Range { command } => command::range::run(command).await,
            Command::NodeImage => command::node_image::run().await,
            Command::Sweep(arguments) => command::sweep::run(arguments).await,
            Command::Before125 => ci::api_server::before_1_25::prove(&console::progress()).await,
            Command::Versions { versions } => {
                ci::versions::prove(&ci::versions::named(&versions)?, &console::progress()).await
            }
            Command::Holes { range, engine } => ci::holes::measure(range.as_deref(), engine, console::progress()).await,
            Command::Check => ci::check::check(console::progress()).await,
            Command::Bench { parts, range } => ci::bench::bench(&parts, range.as_deref(), console::progress()).await,
            Command::Readme => {
                let changed = ci::readme::write()?;
                println!("scenarios/README.md {}", if changed { "is written anew" } else { "was up to date" });
                Ok(())
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
