//! One run in, reports out.
use std::path::{Path, PathBuf};

use anyhow::Context;
use harness::record::{Outcome, Record, Run};

/// Makes the folder that reports go to.
///
/// # Errors
/// Names the folder.
pub fn ensure_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("the reports cannot go to {}: choose another folder with --report-dir", folder.display()))
}

/// First cut: run.json only.
///
/// # Errors
/// Names the file.
pub fn write_all(run: &Run, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let path = folder.join("run.json");
    std::fs::write(&path, serde_json::to_vec_pretty(run)?).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(vec![path])
}

/// First cut.
pub mod terminal {
    use super::*;
    /// One line.
    pub fn line(record: &Record, _colors: bool) -> String {
        let mut text = format!("{} {:?}", record.id, record.outcome);
        if !matches!(record.outcome, Outcome::Denied { .. }) {
            for cell in &record.cells {
                text += &format!("\n    {} {:?}", cell.name, cell.outcome);
            }
        }
        text
    }
    /// Totals.
    pub fn summary(run: &Run) -> String {
        format!("{:?}", run.totals())
    }
}
