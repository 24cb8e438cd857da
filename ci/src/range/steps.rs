//! The steps of bringing a range up: told as they end, and kept with their durations.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::progress::Tell;

/// Where a step is told, one line each.
pub type Progress = Arc<dyn Tell + Send + Sync>;

/// How long each step took. Steps overlap: their sum is more than the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Step and duration, in the order in which the steps ended.
    pub steps: Vec<(String, Duration)>,
    /// From the first step's beginning to the last one's end.
    pub whole: Duration,
}

/// The steps so far.
pub(crate) struct Steps {
    progress: Progress,
    begun: Instant,
    done: Mutex<Vec<(String, Duration)>>,
}

impl Steps {
    pub(crate) fn new(progress: Progress) -> Self {
        Self { progress, begun: Instant::now(), done: Mutex::default() }
    }

    /// Where they are told.
    pub(crate) fn tell(&self) -> &dyn Tell {
        &*self.progress
    }

    pub(crate) fn say(&self, line: &str) {
        self.progress.line(line);
    }

    /// Runs one step; tells and records it once it succeeded.
    pub(crate) async fn step<T>(&self, name: &str, run: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let begun = Instant::now();
        let result = run.await?;
        let took = begun.elapsed();
        self.done.lock().expect("no step panics while it records").push((name.to_owned(), took));
        self.say(&format!("{name} ({:.1} s)", took.as_secs_f64()));
        Ok(result)
    }

    pub(crate) fn timings(&self) -> Timings {
        Timings {
            steps: self.done.lock().expect("no step panics while it records").clone(),
            whole: self.begun.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_is_told_and_kept_once_it_succeeded() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = told.clone();
        let steps = Steps::new(Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_owned())));
        steps.step("nodes started", async { Ok(()) }).await.unwrap();
        steps.step("nodes ready", async { anyhow::bail!("no") as anyhow::Result<()> }).await.unwrap_err();
        let kept: Vec<_> = steps.timings().steps.into_iter().map(|(name, _)| name).collect();
        assert_eq!(kept, ["nodes started"]);
        assert_eq!(*told.lock().unwrap(), ["nodes started (0.0 s)"]);
    }
}
