//! One run in, reports out: JUnit for CI, the record itself as JSON, lines for the terminal.
mod files;
pub mod junit;
pub mod terminal;
mod xml_text;

use std::path::{Path, PathBuf};

use anyhow::Context;
use harness::record::Run;

/// Makes the folder for the reports, so that a run need not end before it is known that they cannot be written.
///
/// # Errors
/// When it cannot be made, naming it.
pub fn ensure_folder(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("the folder {} for the reports cannot be made", dir.display()))
}

/// Writes `junit.xml` and `run.json` into the folder, made where it is missing. Each appears whole or not at all.
///
/// # Errors
/// When the folder or a report cannot be written, naming it, or when the run's start is not a time.
pub fn write_all(run: &Run, dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    ensure_folder(dir)?;
    let record = serde_json::to_string_pretty(run).context("the run cannot be written as JSON")?;
    let reports = [("junit.xml", junit::xml(run)?), ("run.json", record + "\n")];
    reports
        .into_iter()
        .map(|(name, content)| {
            let path = dir.join(name);
            files::replace(&path, &content)?;
            Ok(path)
        })
        .collect()
}
