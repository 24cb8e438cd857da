//! A range on its way up: whatever stops it half-way, it is taken away again.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::Result;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

use super::names::Names;
use super::remains;

/// Longer than Docker takes to fill a node's volume.
const PATIENCE: Duration = Duration::from_secs(30);

/// Removes its range when dropped, unless the range came up.
pub(crate) struct Unfinished {
    names: Names,
    keep: bool,
    /// Held by every start under way; all gone, nothing can be started behind our back.
    token: Option<Sender<()>>,
    settled: Receiver<()>,
}

impl Unfinished {
    pub(crate) fn new(names: &Names, keep: bool) -> Self {
        let (token, settled) = channel();
        Self { names: names.clone(), keep, token: Some(token), settled }
    }

    /// Runs something that Docker finishes even when nobody waits for it any more.
    pub(crate) fn spawn(&self, work: impl Future<Output = Result<()>> + Send + 'static) -> JoinHandle<Result<()>> {
        let token = self.token.clone();
        tokio::spawn(async move {
            let _token = token;
            work.await
        })
    }

    /// The range is up: nothing is to be removed.
    pub(crate) fn finish(mut self) {
        self.keep = true;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        self.token = None;
        // On a runtime of this one thread the starts stand still while we wait for them.
        if !Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread) {
            let _ = self.settled.recv_timeout(PATIENCE);
        }
        remains::remove_or_warn(&self.names);
    }
}
