//! How long a sweep goes on: for as long as it gets somewhere, and then for a multiple of what that has taken.
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::sandbox::LIFETIME;

/// The namespace controller lets this go by before it looks into a namespace (Kubernetes: `namespaceDeletionGracePeriod`).
const GRACE: Duration = Duration::from_secs(5);
/// It tries again what has failed within this time (`nsControllerRateLimiter`), and an API server that restarts is back by then.
const A_MINUTE: Duration = Duration::from_secs(60);
/// ... as long as the longest wait so far that was not in vain.
const TIMES: u32 = 3;
/// Between two rounds: a part of how long nothing has changed, so that what comes soon is seen soon, and what takes long costs little.
const PART: u32 = 4;
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What a sweep has seen so far, and when.
pub(super) struct Patience {
    began: Instant,
    /// When the round before ended.
    before: Instant,
    /// What has been there once and comes again is no progress: somebody makes anew what is deleted, a condition comes and goes.
    seen: HashSet<u64>,
    /// The longest that something new was waited for.
    longest: Duration,
    /// How long the API server has answered, and said nothing new.
    still: Duration,
    /// How long it has not answered.
    mute: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let none = Duration::ZERO;
        Self { began: now, before: now, seen: HashSet::new(), longest: none, still: none, mute: none }
    }

    /// Since it began.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A round is over: what it saw, or that nobody answered.
    pub(super) fn round(&mut self, seen: Option<impl Hash>) {
        let passed = self.before.elapsed();
        self.before += passed;
        let Some(seen) = seen else {
            self.mute += passed;
            return;
        };
        self.mute = Duration::ZERO;
        self.still += passed;
        let mut hasher = DefaultHasher::new();
        seen.hash(&mut hasher);
        if self.seen.insert(hasher.finish()) {
            self.longest = self.longest.max(self.still);
            self.still = Duration::ZERO;
        }
    }

    /// When to look again; `None` where it is no use. Less is waited for where what is left is `harmless`.
    pub(super) fn again_after(&self, harmless: bool) -> Option<Duration> {
        let wait = TIMES * self.longest.max(GRACE);
        let wait = if harmless { wait.min(A_MINUTE) } else { wait.max(A_MINUTE) };
        // What is made may stand for so long and no longer: from then on the next run takes it away.
        let at_most = LIFETIME.unsigned_abs();
        let over = self.still >= wait || self.mute >= A_MINUTE || self.elapsed() >= at_most;
        (!over).then(|| ((self.still + self.mute) / PART).clamp(PAUSES.0, PAUSES.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use tokio::time::sleep;

    /// Rounds of a second or more until the patience is at an end; how long that took.
    async fn ends_after(harmless: bool, see: impl Fn(u64) -> Option<u64>) -> u64 {
        let mut patience = Patience::new();
        loop {
            patience.round(see(patience.elapsed().as_secs()));
            match patience.again_after(harmless) {
                Some(pause) => sleep(pause.max(Duration::from_secs(1))).await,
                None => return patience.elapsed().as_secs(),
            }
        }
    }

    #[rstest]
    #[case::something_that_does_no_harm(true, 15)]
    #[case::something_that_may(false, 60)]
    #[tokio::test(start_paused = true)]
    async fn what_never_moves_is_given_up(#[case] harmless: bool, #[case] expected: u64) {
        let took = ends_after(harmless, |_| Some(1)).await;
        assert!((expected..expected + 2).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn something_new_every_half_minute_is_progress_and_three_times_that_is_waited_at_the_end() {
        let took = ends_after(false, |at| Some((at / 30).min(10))).await;
        assert!((300 + 90..300 + 100).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_and_goes_is_no_progress() {
        let took = ends_after(false, |at| Some(at % 2)).await;
        assert!((60..64).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_a_minute_however_slow_it_was() {
        let took = ends_after(false, |at| (at < 50).then_some(at / 25)).await;
        assert!((108..112).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_no_time_in_which_nothing_happened() {
        // Forty seconds of silence, then an answer, and so on: never a minute of either.
        let took = ends_after(false, |at| (at % 50 >= 40 || at == 0).then_some(7)).await;
        assert!(took >= 240, "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_an_end_to_it() {
        assert_eq!(ends_after(false, Some).await, 30 * 60);
    }
}
