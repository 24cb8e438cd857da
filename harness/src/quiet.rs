//! Measuring while nothing else of the run is at work: a cluster that this suite keeps busy shows how busy it is, and nothing else.
//!
//! Whoever measures waits until every other cell has its verdict or waits for the same; then one after the other has the cluster to itself,
//! in the catalogue's order.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Who is at work in a run.
#[derive(Debug, Default)]
pub struct Quiet {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    at_work: usize,
    /// By their order; those of one scenario by their number.
    waiting: BTreeSet<(usize, usize)>,
    held: bool,
    numbers: usize,
}

/// A cell that is at work, from before the first one begins until it has its verdict.
#[derive(Debug)]
pub struct Work {
    quiet: Arc<Quiet>,
    place: (usize, usize),
    /// Since when it is at work; none while it waits for quiet.
    since: Mutex<Option<Instant>>,
}

/// Nothing else is at work until this is dropped.
#[derive(Debug)]
#[must_use = "quiet ends with this"]
pub struct Hush<'a>(&'a Work);

impl Quiet {
    /// One more cell, of the scenario at `order`.
    pub fn work(self: &Arc<Self>, order: usize) -> Work {
        let mut state = self.state();
        state.at_work += 1;
        state.numbers += 1;
        Work { quiet: self.clone(), place: (order, state.numbers), since: Mutex::new(Some(Instant::now())) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Work {
    /// It begins now.
    pub(crate) fn begins(&self) {
        *self.since.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Instant::now());
    }

    /// Since when it has been at work without a break; none while it waits for quiet.
    pub(crate) fn since(&self) -> Option<Instant> {
        *self.since.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits until nothing else is at work, and no earlier scenario waits for that.
    pub(crate) async fn quiet(&self) -> Hush<'_> {
        let waiting = Waiting::begin(self);
        loop {
            let changed = self.quiet.changed.notified();
            tokio::pin!(changed);
            // Whatever changes from here on is heard.
            changed.as_mut().enable();
            {
                let mut state = self.quiet.state();
                if state.at_work == 0 && !state.held && state.waiting.first() == Some(&self.place) {
                    state.held = true;
                    break;
                }
            }
            changed.await;
        }
        waiting.over();
        Hush(self)
    }
}

/// A wait that may be given up.
struct Waiting<'a>(&'a Work);

impl<'a> Waiting<'a> {
    fn begin(work: &'a Work) -> Self {
        *work.since.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
        let mut state = work.quiet.state();
        state.at_work -= 1;
        state.waiting.insert(work.place);
        drop(state);
        work.quiet.changed.notify_waiters();
        Self(work)
    }

    fn over(self) {
        self.0.begins();
        self.0.quiet.state().waiting.remove(&self.0.place);
        std::mem::forget(self);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.quiet.state();
        state.waiting.remove(&self.0.place);
        state.at_work += 1;
    }
}

impl Drop for Hush<'_> {
    fn drop(&mut self) {
        let mut state = self.0.quiet.state();
        state.held = false;
        state.at_work += 1;
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.quiet.state().at_work -= 1;
        self.quiet.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::{sleep, timeout};

    const SOON: Duration = Duration::from_millis(10);

    #[tokio::test(start_paused = true)]
    async fn who_measures_waits_for_everybody_and_has_its_turn_in_order() {
        let quiet = Arc::<Quiet>::default();
        let loud = quiet.work(0);
        let told = Arc::new(Mutex::new(Vec::new()));
        let measuring = [2, 1, 3].map(|order| {
            let (work, told) = (quiet.work(order), told.clone());
            tokio::spawn(async move {
                let _hush = work.quiet().await;
                told.lock().unwrap().push((order, "begins"));
                sleep(SOON).await;
                told.lock().unwrap().push((order, "ends"));
            })
        });
        sleep(SOON * 5).await;
        assert!(told.lock().unwrap().is_empty(), "somebody was at work");
        drop(loud);
        futures::future::join_all(measuring).await;
        let expected = [1, 2, 3].map(|order| [(order, "begins"), (order, "ends")]).concat();
        assert_eq!(*told.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_gives_up_waiting_is_at_work_again_and_then_gone() {
        let quiet = Arc::<Quiet>::default();
        let (loud, first, second) = (quiet.work(0), quiet.work(1), quiet.work(2));
        assert!(timeout(SOON, first.quiet()).await.is_err());
        drop(loud);
        assert!(timeout(SOON, second.quiet()).await.is_err(), "the first is at work");
        drop(first);
        assert!(timeout(SOON, second.quiet()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn time_stands_still_for_who_waits() {
        let quiet = Arc::<Quiet>::default();
        let (loud, work) = (quiet.work(0), quiet.work(1));
        let waited = tokio::join!(work.quiet(), async {
            sleep(SOON).await;
            assert_eq!(work.since(), None);
            drop(loud);
        });
        assert_eq!(work.since(), Some(Instant::now()));
        drop(waited);
    }
}
