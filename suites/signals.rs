//! Ctrl-C, SIGTERM and a terminal that goes: whatever the run has made goes before the process does.
use std::sync::{Arc, Mutex};

use ci::range::Range;
use harness::env::Env;
use reports::Folder;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::console::note;

#[derive(Default)]
struct Held {
    interrupted: bool,
    env: Option<Arc<Env>>,
    range: Option<String>,
}

/// Watches for signals for as long as the process lives.
pub struct Watch(Arc<Mutex<Held>>);

impl Watch {
    /// Starts watching; a run that is interrupted says so in its reports.
    pub fn start(runtime: &Runtime, folder: Option<Arc<Folder>>) -> Self {
        let held: Arc<Mutex<Held>> = Arc::default();
        let watched = held.clone();
        runtime.spawn(async move {
            let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()];
            let [Ok(mut hangup), Ok(mut interrupt), Ok(mut terminate)] = kinds.map(signal) else { return };
            let code =
                tokio::select! { _ = hangup.recv() => 129, _ = interrupt.recv() => 130, _ = terminate.recv() => 143 };
            note("");
            note("interrupted: taking away what the run has made");
            let (env, range) = {
                let mut held = watched.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                held.interrupted = true;
                (held.env.take(), held.range.take())
            };
            let left = match (&range, &env) {
                (Some(range), _) => format!(
                    "the throw-away cluster {range} may still be there: `cargo xtask range down --name {range}` takes it away"
                ),
                (None, Some(env)) => format!(
                    "what the run has made may still be in cluster {name}: `cargo xtask sweep --cluster {name}` takes it away",
                    name = env.facts.name
                ),
                (None, None) => "nothing was made".to_owned(),
            };
            let unwritten = folder.and_then(|folder| folder.fail("the run was interrupted by a signal").err());
            if let Some(error) = unwritten {
                note(format!("warning: {error:#}"));
            }
            // A throw-away cluster takes everything with it.
            let ended = async {
                match (range, env) {
                    (Some(range), _) => Range::remove(&range).await.map(|()| None).map_err(|error| format!("{error:#}")),
                    (None, Some(env)) => env.sandbox.sweep().await.map(|swept| swept.warning),
                    (None, None) => Ok(None),
                }
            };
            // Whoever asks again does not want to wait.
            let ended = tokio::select! {
                ended = ended => ended,
                _ = interrupt.recv() => Err(format!("interrupted again: {left}")),
                _ = terminate.recv() => Err(format!("told again to end: {left}")),
            };
            match ended {
                Ok(None) => {}
                Ok(Some(held)) => note(format!("warning: {held}")),
                Err(left) => note(format!("error: {left}")),
            }
            // The run's own threads are in the middle of something that is gone: no destructor of theirs is worth waiting for.
            std::process::exit(code);
        });
        Self(held)
    }

    /// From here on, a signal sweeps what `env` has made.
    pub fn guard(&self, env: Arc<Env>) {
        self.held().env = Some(env);
    }

    /// From here on, a signal removes the range of that name.
    pub fn range(&self, name: &str) {
        self.held().range = Some(name.to_owned());
    }

    /// There is nothing left to sweep.
    pub fn release(&self) {
        self.held().env = None;
    }

    /// After a signal, whoever ends the run waits here for the process to end: what a half-swept run finds is not worth a word, and
    /// its exit code would hide the signal's.
    pub fn stand_aside(&self) {
        let interrupted = || self.held().interrupted;
        while interrupted() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
