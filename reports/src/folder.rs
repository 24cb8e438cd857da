//! The folder of the reports, from before anything can fail until the run has ended.
//!
//! Whoever publishes what is in it, at whatever moment and however the run ends, `kill -9` among the ways, finds nothing of an
//! earlier run: what that left is set aside first, and until there are verdicts `junit.xml` says that there are none.
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use harness::record::Run;

use crate::{files, json, junit};

const JUNIT: &str = "junit.xml";
const RECORD: &str = "run.json";

/// What is said of a run that is not at its end, and may never be.
const AT_WORK: &str = "the run has not come to its end: it is at work, or something killed it";

/// The reports of one run.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    cluster: String,
    suite: Option<String>,
    ended: Mutex<bool>,
}

impl Folder {
    /// Makes the folder where it is missing, sets aside what an earlier run has left in it (`*.previous`, where that run came to its
    /// end), and leaves a `junit.xml` that says that nothing is proved yet. `suite` is what the run was asked for, where it was.
    ///
    /// # Errors
    /// When the folder cannot be made or written to, naming what is in the way.
    pub fn begin(dir: &Path, cluster: &str, suite: Option<&str>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("the folder {} for the reports cannot be made", dir.display()))?;
        let [report, record] = [JUNIT, RECORD].map(|name| dir.join(name));
        // A run that had no end has nothing that is worth the place of one that had. Where there is no room for a second copy, there is none.
        if record.is_file() {
            let _ = [&report, &record].map(|path| files::keep(path));
        }
        let folder = Self {
            dir: dir.to_owned(),
            cluster: cluster.to_owned(),
            suite: suite.map(str::to_owned),
            ended: Mutex::default(),
        };
        // In the old one's place at once, so that whoever reads meanwhile finds a report; and where it cannot be, the old one goes all the same.
        let begun = folder.unproved(AT_WORK);
        if begun.is_err() {
            files::remove(&report)?;
        }
        files::remove(&record)?;
        begun.map(|()| folder)
    }

    /// Writes the reports of a run that has ended. Each appears whole or not at all, and `junit.xml` last.
    ///
    /// # Errors
    /// When a report cannot be written, naming it, or when the run's start is not a time.
    pub fn complete(&self, run: &Run) -> anyhow::Result<Vec<PathBuf>> {
        let mut ended = self.ended();
        let reports = [(RECORD, json::text(run)?), (JUNIT, junit::xml(run)?)];
        let written = reports.into_iter().map(|(name, content)| {
            let path = self.dir.join(name);
            files::replace(&path, &content)?;
            Ok(path)
        });
        let written = written.collect::<anyhow::Result<_>>()?;
        *ended = true;
        Ok(written)
    }

    /// Says why the run has no verdicts; where it has, they stay.
    ///
    /// # Errors
    /// When that cannot be written: what was there says that the run has not come to its end.
    pub fn fail(&self, why: &str) -> anyhow::Result<()> {
        let mut ended = self.ended();
        if !*ended {
            *ended = true;
            self.unproved(why)?;
        }
        Ok(())
    }

    fn unproved(&self, why: &str) -> anyhow::Result<()> {
        files::replace(&self.dir.join(JUNIT), &junit::unproved(&self.cluster, self.suite.as_deref(), why)?)
    }

    fn ended(&self) -> MutexGuard<'_, bool> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
