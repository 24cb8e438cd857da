//! The words after `cargo test --`: libtest's own, and what says which cluster.
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser};
use libtest_mimic::Arguments;

use crate::whereabouts;

/// Proves, live, that a cluster denies what it must deny.
#[derive(Parser, Debug)]
#[command(
    name = "cargo test --",
    bin_name = "cargo test --",
    disable_version_flag = true,
    after_help = "Exit code: 0 where every scenario was denied as it must be; 101 where one was allowed or nothing was proved; 3, or what conformance.toml says, where nothing is worse than what waivers.toml acknowledges; 1 where the run could not be."
)]
pub struct Cli {
    /// `kind` (a throw-away cluster on this machine), `kind:NAME` (one that `cargo xtask range up` keeps), a name from
    /// conformance.toml, or a context of the kubeconfig.
    #[arg(long, value_name = "NAME", default_value = "kind")]
    pub cluster: String,

    /// Whether somebody said so.
    #[arg(skip)]
    pub cluster_is_named: bool,

    /// Which scenarios run and how far they may go: oke (everything), prod (nothing that would hurt if it were allowed), quick
    /// (dry runs only) or a suite file. What conformance.toml says, else prod; oke on a range.
    #[arg(long, value_name = "NAME")]
    pub suite: Option<String>,

    /// What is allowed, or cannot be proved, for now and who answers for it; the nearest waivers.toml where nothing is said.
    #[arg(long, value_name = "FILE")]
    pub waivers: Option<PathBuf>,

    /// Say what the run would do to the cluster and which rights it lacks, and stop: nothing is attempted, nothing is made.
    #[arg(long)]
    pub plan: bool,

    /// Where the reports go; target/conformance of this workspace where nothing is said.
    #[arg(long, value_name = "FOLDER")]
    pub report_dir: Option<PathBuf>,

    /// An image by digest that the nodes have or may pull; probes are started from it. Found on the nodes where it is left out.
    #[arg(long, value_name = "IMAGE")]
    pub agent_image: Option<String>,

    /// What libtest knows: FILTER, --list, --exact, --skip, --test-threads ...
    #[command(flatten)]
    pub test: Arguments,
}

/// Which cluster `--cluster` means.
#[derive(Debug, PartialEq, Eq)]
pub enum Cluster<'a> {
    /// One that is started for this run and removed after it.
    ThrowAway,
    /// A range that is up.
    Range(&'a str),
    /// A name from conformance.toml or a context.
    Named(&'a str),
}

impl Cli {
    /// Reads the process' own arguments; prints the help and ends where that is asked for.
    ///
    /// # Errors
    /// Which of them is wrong, in one sentence as everywhere else; clap would take a paragraph.
    pub fn read() -> Result<Self> {
        let parsed = Self::command().try_get_matches().and_then(|words| {
            let cluster_is_named = words.value_source("cluster") == Some(ValueSource::CommandLine);
            Ok(Self { cluster_is_named, ..Self::from_arg_matches(&words)? })
        });
        let cli = parsed.map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp => error.exit(),
            _ => anyhow!("{}; `cargo test -- --help` shows what there is", what_is_wrong(&error.to_string())),
        })?;
        ensure!(
            !cli.cluster.is_empty(),
            "--cluster is empty: name a cluster, or leave it away to have a throw-away cluster started"
        );
        // libtest-mimic would wait for nobody to do the work.
        ensure!(cli.test.test_threads != Some(0), "--test-threads 0 runs nothing: give at least 1, or leave it away");
        Ok(cli)
    }

    /// Where the reports go.
    pub fn report_dir(&self) -> PathBuf {
        report_dir(self.report_dir.as_deref())
    }

    /// Which cluster is meant.
    pub fn cluster(&self) -> Cluster<'_> {
        match self.cluster.split_once(':') {
            None if self.cluster == "kind" => Cluster::ThrowAway,
            Some(("kind", name)) => Cluster::Range(name),
            _ => Cluster::Named(&self.cluster),
        }
    }
}

fn report_dir(said: Option<&Path>) -> PathBuf {
    said.map_or_else(whereabouts::reports, |folder| whereabouts::here().join(folder))
}

/// What a command line that cannot be read says of its reports.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where they go.
    pub report_dir: PathBuf,
    /// The cluster that they are of.
    pub cluster: String,
    /// The suite that they are of.
    pub suite: Option<String>,
}

impl Asked {
    /// Looks through the process' own arguments; `None` where they ask for no run, or do not say where its reports go.
    pub fn read() -> Option<Self> {
        let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        if words.iter().any(|word| matches!(&**word, "--plan" | "--list")) {
            return None;
        }
        // An option without its value is told apart from one that is not there.
        let value = |option: &str| {
            let place = words.iter().rposition(|word| word.split('=').next() == Some(option))?;
            let behind = words[place].split_once('=').map(|(_, value)| value.to_owned());
            Some(behind.or_else(|| words.get(place + 1).cloned()).filter(|value| !value.starts_with('-')))
        };
        let folder = match value("--report-dir") {
            Some(None) => return None,
            said => said.flatten(),
        };
        Some(Self {
            report_dir: report_dir(folder.as_deref().map(Path::new)),
            cluster: value("--cluster").flatten().unwrap_or_else(|| "kind".into()),
            suite: value("--suite").flatten(),
        })
    }
}

/// clap's explanation and tips without what it repeats of the help.
fn what_is_wrong(explanation: &str) -> String {
    let told = explanation
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let told: Vec<&str> = told.filter(|line| !line.is_empty()).collect();
    told.join("; ").trim_start_matches("error: ").to_owned()
}
