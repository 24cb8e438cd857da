//! The program behind `cargo test -- --cluster NAME`, for whoever starts it without cargo: a pid of its own, an environment of choice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use harness::record::Run as Record;
use serde_json::Value;

use crate::check::workspace;

/// Builds it where it is not up to date, and says where it is.
///
/// # Errors
/// When it does not build.
pub fn built() -> Result<PathBuf> {
    let arguments = ["test", "--package=suites", "--no-run", "--message-format=json"];
    let built = crate::cargo::command().args(arguments).current_dir(workspace()).stderr(Stdio::inherit()).output();
    let built = built.context("cargo cannot be started")?;
    ensure!(built.status.success(), "the suite does not build");
    let messages = String::from_utf8_lossy(&built.stdout);
    let mut messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages.find_map(|message| {
        (message["target"]["name"] == "conformance")
            .then(|| message["executable"].as_str().map(PathBuf::from))
            .flatten()
    });
    program.context("cargo names no program for the suite")
}

/// A run of the suite as a user starts it: with a home, a kubeconfig and a conformance.toml of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    /// Which of them it is about.
    pub(crate) cluster: &'a str,
    /// The text of its conformance.toml.
    pub(crate) conformance: &'a str,
    /// ... and of its kubeconfig.
    pub(crate) kubeconfig: &'a str,
    /// How far it goes.
    pub(crate) suite: &'a str,
    /// More words on its command line.
    pub(crate) more: &'a [&'a str],
    /// When it must have ended.
    pub(crate) within: Duration,
}

/// Runs the program, and reads its record.
///
/// # Errors
/// When it cannot be started, does not end in time, or writes no record: with what it said.
pub(crate) async fn run(program: &Path, run: &Run<'_>) -> Result<Record> {
    let home = tempfile::Builder::new().prefix("oke-conformance-").tempdir()?;
    let kubeconfig = home.path().join("kubeconfig");
    fs::write(&kubeconfig, run.kubeconfig)?;
    fs::write(home.path().join("conformance.toml"), run.conformance)?;
    let suite = tokio::process::Command::new(program)
        .args(["--cluster", run.cluster, "--suite", run.suite, "--report-dir", "reports"])
        .args(run.more)
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .env("KUBECONFIG", &kubeconfig)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Ok(ended) = tokio::time::timeout(run.within, suite).await else {
        bail!("the suite did not end within {} s", run.within.as_secs())
    };
    let ended = ended.context("the suite cannot be started")?;
    let Ok(text) = fs::read(home.path().join("reports/run.json")) else {
        bail!("the suite wrote no record: {}", String::from_utf8_lossy(&ended.stderr).trim())
    };
    serde_json::from_slice(&text).context("the suite's record cannot be read")
}

/// Scenarios that start crowds of pods of their own, half a minute each: asked by every plain run, and in a proof only
/// where they must answer.
pub static CROWDED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let crowded = scenarios::all().into_iter().filter(|entry| entry.scenario.pods > 0);
    crowded.map(|entry| entry.id).collect()
});

/// The options that leave those of them out for which `asked` does not hold.
pub fn sparing(asked: impl Fn(&str) -> bool) -> Vec<&'static str> {
    CROWDED.iter().filter(|id| !asked(id)).flat_map(|id| ["--skip", id]).collect()
}

static ALL: LazyLock<Vec<String>> = LazyLock::new(|| scenarios::all().into_iter().map(|entry| entry.id).collect());

/// The options that leave all out for which `asked` does not hold.
pub fn asking(asked: impl Fn(&str) -> bool) -> Vec<&'static str> {
    // Some ids are the beginning of others.
    let spared = ALL.iter().filter(|id| !asked(id)).flat_map(|id| ["--skip", id]);
    std::iter::once("--exact").chain(spared).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_pods_of_its_own_is_spared() {
        assert_eq!(sparing(|id| id.starts_with("network/")), ["--skip", "metadata/startup-window"]);
    }

    #[test]
    fn what_is_not_asked_for_is_skipped_by_its_whole_name() {
        assert_eq!(asking(|id| *id != *"metadata/startup-window"), ["--exact", "--skip", "metadata/startup-window"]);
    }
}
