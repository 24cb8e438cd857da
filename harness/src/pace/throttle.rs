//! A number of turns that grows while whatever is done in them takes no longer for it, and shrinks when it does.
//!
//! What is compared is what the middle one of the last turns has taken with the least that this has been: up to twice that, there may be
//! more; beyond three times, they wait for each other. A single one that is late says nothing: answers may be as various as they like. Where
//! as few as there may be are as slow, it is not for their number: they are what is compared with from then on.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many turns tell how long anything may take lately, ...
const LATELY: usize = 16;
/// ... and so many how much there is.
const MIDDLE_OF: usize = 8;

/// Between what a throttle moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Turns at the least.
    pub(super) least: usize,
    /// ... at first, ...
    pub(super) first: usize,
    /// ... and at the most.
    pub(super) most: usize,
    /// A turn that takes no longer says nothing about load.
    pub(super) at_ease: Duration,
}

/// Turns, as many as the cluster can take.
#[derive(Debug)]
pub struct Throttle {
    turns: Arc<Semaphore>,
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Turns that are to end with whoever has them.
    owed: usize,
    /// The least that the middle one of some turns has taken.
    best: Option<Duration>,
    lately: VecDeque<Duration>,
    /// Turns that have ended since the limit was last changed.
    since: usize,
    /// Nothing has shown yet that there are too many.
    growing: bool,
}

/// How long turns have taken lately (the 90th percentile), beside what is nothing to speak of.
pub(super) struct Shown {
    pub(super) lately: Duration,
    pub(super) at_ease: Duration,
}

/// One turn, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    throttle: Arc<Throttle>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Throttle {
    pub(super) fn new(bounds: Bounds) -> Self {
        let state =
            State { limit: bounds.first, owed: 0, best: None, lately: VecDeque::new(), since: 0, growing: true };
        Self { turns: Arc::new(Semaphore::new(bounds.first)), bounds, state: Mutex::new(state) }
    }

    /// Waits for a turn; first come, first served.
    pub async fn turn(self: &Arc<Self>) -> Turn {
        // Never closed.
        let permit = self.turns.clone().acquire_owned().await.ok();
        Turn { throttle: self.clone(), permit }
    }

    /// How many there may be at once.
    pub fn limit(&self) -> usize {
        self.state().limit
    }

    pub(super) fn shown(&self) -> Shown {
        let mut lately: Vec<Duration> = self.state().lately.iter().copied().collect();
        lately.sort_unstable();
        let place = (lately.len() * 9 / 10).min(lately.len().saturating_sub(2));
        Shown { lately: lately.get(place).copied().unwrap_or_default(), at_ease: self.bounds.at_ease }
    }

    fn took(&self, after: Duration) {
        let crowded = self.turns.available_permits() == 0;
        let mut state = self.state();
        state.lately.push_back(after);
        if state.lately.len() > LATELY {
            state.lately.pop_front();
        }
        state.since += 1;
        if state.lately.len() < MIDDLE_OF {
            return;
        }
        let mut lately: Vec<Duration> = state.lately.iter().rev().take(MIDDLE_OF).copied().collect();
        lately.sort_unstable();
        let middle = lately[MIDDLE_OF / 2];
        let best = state.best.map_or(middle, |best| best.min(middle));
        state.best = Some(best);
        // What was under way when the limit changed says nothing about the new one.
        let settled = state.since >= state.limit;
        if middle > self.bounds.at_ease.max(best * 3) {
            if settled && state.limit > self.bounds.least {
                self.shrink(&mut state, 3, 4);
            } else if settled {
                // As few as there can be make it no faster: that is how slow it has become, whoever is to blame.
                state.best = Some(middle);
            }
        } else if middle <= self.bounds.at_ease.max(best * 2) && crowded {
            // Half as many again with each round at first: what is under way was begun when there was less of it.
            if settled || state.growing && state.since >= 2 {
                self.grow(&mut state);
            }
        }
    }

    fn grow(&self, state: &mut State) {
        if state.limit < self.bounds.most {
            state.limit += 1;
            state.since = 0;
            if state.owed > 0 { state.owed -= 1 } else { self.turns.add_permits(1) }
        }
    }

    fn shrink(&self, state: &mut State, to: usize, of: usize) {
        state.growing = false;
        state.since = 0;
        let limit = (state.limit * to / of).max(self.bounds.least);
        state.owed += state.limit.saturating_sub(limit);
        state.limit = state.limit.min(limit);
        let idle = self.turns.forget_permits(state.owed);
        state.owed -= idle;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Turn {
    /// It is over, and what was done in it has taken so long.
    pub fn took(self, after: Duration) {
        self.throttle.took(after);
    }

    /// It is over, and the cluster has said that it is too much, or nothing at all.
    pub fn too_much(self) {
        let throttle = &self.throttle;
        let mut state = throttle.state();
        if state.since > 0 || state.growing {
            throttle.shrink(&mut state, 1, 2);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.throttle.state();
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const BOUNDS: Bounds = Bounds { least: 2, first: 4, most: 64, at_ease: Duration::from_millis(10) };

    /// A cluster that does `workers` things at once in `ms` each, and whatever is beyond that later.
    async fn run(workers: usize, ms: u64, turns: usize) -> (Arc<Throttle>, usize) {
        let (throttle, workers) = (Arc::new(Throttle::new(BOUNDS)), Arc::new(Semaphore::new(workers)));
        let most = Arc::new(Mutex::new((0, 0)));
        let all = (0..turns).map(|_| {
            let (throttle, workers, most) = (throttle.clone(), workers.clone(), most.clone());
            tokio::spawn(async move {
                let turn = throttle.turn().await;
                let start = tokio::time::Instant::now();
                {
                    let mut most = most.lock().unwrap();
                    most.0 += 1;
                    most.1 = most.1.max(most.0);
                }
                let _worker = workers.acquire().await;
                tokio::time::sleep(Duration::from_millis(ms)).await;
                most.lock().unwrap().0 -= 1;
                turn.took(start.elapsed());
            })
        });
        futures::future::join_all(all).await;
        let most = most.lock().unwrap().1;
        (throttle, most)
    }

    #[rstest]
    #[case::two_workers(2, 100, 4, 16)]
    #[case::eight_workers(8, 100, 12, 32)]
    #[case::as_many_as_one_likes(1000, 100, 64, 64)]
    #[case::as_many_as_are_done_with_ease(1, 1, 6, 32)]
    #[tokio::test(start_paused = true)]
    async fn turns_follow_what_the_cluster_can_do(
        #[case] workers: usize,
        #[case] ms: u64,
        #[case] at_least: usize,
        #[case] at_most: usize,
    ) {
        let (throttle, most) = run(workers, ms, 400).await;
        assert!((at_least..=at_most).contains(&most), "{most} at once");
        assert!((at_least..=at_most).contains(&throttle.limit()), "{} at last", throttle.limit());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_gets_slow_is_asked_for_less_and_never_for_nothing() {
        let throttle = Arc::new(Throttle::new(BOUNDS));
        for _ in 0..MIDDLE_OF {
            throttle.turn().await.took(Duration::from_millis(20));
        }
        for _ in 0..200 {
            throttle.turn().await.took(Duration::from_secs(2));
        }
        assert_eq!(throttle.limit(), BOUNDS.least);
        let turns = [throttle.turn().await, throttle.turn().await];
        let third = tokio::time::timeout(Duration::from_secs(1), throttle.turn()).await;
        assert!(third.is_err(), "a third turn at a limit of two");
        drop(turns);
        assert!(tokio::time::timeout(Duration::from_secs(1), throttle.turn()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_has_become_slow_by_itself_is_asked_for_as_much_as_before() {
        let throttle = Arc::new(Throttle::new(BOUNDS));
        let ask = |ms: u64, turns: usize| {
            let throttle = throttle.clone();
            async move {
                let all = (0..turns).map(|_| async {
                    let turn = throttle.turn().await;
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    turn.took(Duration::from_millis(ms));
                });
                futures::future::join_all(all).await;
            }
        };
        ask(20, MIDDLE_OF).await;
        ask(900, 100).await;
        assert!(throttle.limit() >= BOUNDS.first * 2, "{}", throttle.limit());
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_are_various_whatever_is_asked_are_no_sign_of_load() {
        let throttle = Arc::new(Throttle::new(Bounds { first: 16, ..BOUNDS }));
        for round in 0..200_u64 {
            throttle.turn().await.took(Duration::from_millis(300 + round * 7919 % 1200));
        }
        assert!(throttle.limit() >= 12, "{}", throttle.limit());
    }

    #[tokio::test]
    async fn too_many_requests_halve_what_is_under_way() {
        let throttle = Arc::new(Throttle::new(BOUNDS));
        let turns = [throttle.turn().await, throttle.turn().await, throttle.turn().await, throttle.turn().await];
        let [first, others @ ..] = turns;
        first.too_much();
        assert_eq!(throttle.limit(), 2);
        drop(others);
        let _both = [throttle.turn().await, throttle.turn().await];
        assert_eq!(throttle.turns.available_permits(), 0);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_no_gap() {
        let throttle = Arc::new(Throttle::new(BOUNDS));
        let turns = futures::future::join_all((0..4).map(|_| throttle.turn())).await;
        assert!(tokio::time::timeout(Duration::from_millis(5), throttle.turn()).await.is_err());
        drop(turns);
        assert_eq!(throttle.turns.available_permits(), 4);
    }
}
