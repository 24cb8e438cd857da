//! One run of the suite as a user starts it, with a limit: the program itself, a kubeconfig of its own, nothing of our environment.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::record::Run;
use tokio::process::Command;

use super::account::CONTEXT;

/// A run that has not ended by then hangs.
pub(super) const LIMIT: Duration = Duration::from_secs(240);

/// What became of a run.
pub(super) struct Ended {
    /// `None` where it hung.
    pub(super) passed: Option<bool>,
    pub(super) took: Duration,
    /// Its record; the sentence that it refused with where it wrote none.
    pub(super) record: Result<Run, String>,
}

/// Runs the suite with `options`; everything that it writes goes to `folder`.
pub(super) async fn run(program: &Path, kubeconfig: &str, options: &[&str], folder: &Path) -> Result<Ended> {
    let context = || format!("{} cannot be written to", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(context)?;
    }
    fs::create_dir_all(folder).with_context(context)?;
    let home = tempfile::Builder::new().prefix("oke-conformance-faults-").tempdir()?;
    let path = home.path().join("kubeconfig");
    fs::write(&path, kubeconfig)?;
    // What is known of every range, under the name that the run gives it.
    let settings =
        include_str!("../../range/conformance.toml").replace("[cluster.range", &format!("[cluster.{CONTEXT}"));
    fs::write(home.path().join("conformance.toml"), settings)?;
    let output = |name: &str| fs::File::create(folder.join(name)).with_context(context).map(Stdio::from);
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(["--cluster", CONTEXT, "--suite", "oke", "--report-dir"])
        .arg(folder)
        .args(options)
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .env("KUBECONFIG", &path)
        .stdin(Stdio::null())
        .stdout(output("stdout")?)
        .stderr(output("stderr")?)
        .kill_on_drop(true)
        .spawn()
        .context("the suite cannot be started")?;
    let passed = match tokio::time::timeout(LIMIT, child.wait()).await {
        Ok(status) => Some(status?.success()),
        Err(_) => {
            child.kill().await?;
            None
        }
    };
    let took = start.elapsed();
    let record = match fs::read(folder.join("run.json")) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| format!("run.json cannot be read: {error}")),
        Err(_) => Err(fs::read_to_string(folder.join("stderr")).unwrap_or_default().trim().to_owned()),
    };
    Ok(Ended { passed, took, record })
}
