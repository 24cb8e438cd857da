//! The suite on a range, as a user would run it.

use anyhow::{Context, Result, bail};
use harness::record::Run;
use tokio::process::Command;

use crate::check::workspace;
use crate::range::Range;

/// Runs the suite as a user would, and reads its record.
pub(crate) async fn suite(range: &Range) -> Result<Run> {
    suite_with(range, &[]).await
}

/// ... with more words on its command line.
pub(crate) async fn suite_with(range: &Range, more: &[&str]) -> Result<Run> {
    let root = workspace();
    let reports = root.join("target/conformance").join(format!("prove-{}", range.name()));
    let record = reports.join("run.json");
    if record.exists() {
        std::fs::remove_file(&record).with_context(|| format!("{} cannot be removed", record.display()))?;
    }
    let mut suite = Command::from(crate::cargo::command());
    suite
        .args(["test", "--quiet", "--", "--cluster", &format!("kind:{}", range.name()), "--report-dir"])
        .arg(&reports)
        .args(more);
    let output = suite.current_dir(&root).kill_on_drop(true).output().await.context("cargo cannot be started")?;
    let Ok(text) = std::fs::read(&record) else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!(
            "the suite wrote no record: {}",
            complaint.lines().find(|line| line.starts_with("error")).unwrap_or("it gave no reason")
        );
    };
    serde_json::from_slice(&text).with_context(|| format!("{} cannot be read", record.display()))
}
