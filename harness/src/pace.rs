//! As fast as the cluster can, and no faster: how much of a run is under way at once follows what the cluster has just shown, and so does
//! how long anything is waited for.
mod throttle;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use throttle::{Bounds, Shown};
pub use throttle::{Throttle, Turn};

/// Requests under way at once at the most, over all scenarios and identities: a twentieth of what an API server takes by default
/// (`--max-requests-inflight` 400, `--max-mutating-requests-inflight` 200), so that nobody else waits for us.
pub const IN_FLIGHT: usize = 32;

/// ... and at the least: so few are no load to any API server.
const LEAST_REQUESTS: usize = 4;

/// What an idle cluster on two cores answers within: below that, differences say nothing about load, and time-outs are written for it.
const REQUEST_AT_EASE: Duration = Duration::from_millis(60);
const EXEC_AT_EASE: Duration = Duration::from_millis(500);
const POD_AT_EASE: Duration = Duration::from_millis(2500);

/// Up to so many times as slow as that, a cluster is still waited for no longer than an idle one: time-outs have that much room.
const ROOM: f64 = 4.0;

/// No cluster is waited for longer than so many times what an idle one takes: a run has an end.
const PATIENCE_AT_MOST: u32 = 3;

/// The pace of one run.
#[derive(Clone, Debug)]
pub struct Pace(Arc<Media>);

#[derive(Debug)]
struct Media {
    requests: Arc<Throttle>,
    attempts: Arc<Throttle>,
    execs: Arc<Throttle>,
    pods: Arc<Throttle>,
    alive: Mutex<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        let of = |least, first, most, at_ease| Arc::new(Throttle::new(Bounds { least, first, most, at_ease }));
        Self(Arc::new(Media {
            requests: of(LEAST_REQUESTS, IN_FLIGHT / 2, IN_FLIGHT, REQUEST_AT_EASE),
            // Among them: a chapter of a thousand dry runs leaves room for the probes that others wait for.
            attempts: of(LEAST_REQUESTS, IN_FLIGHT / 4, IN_FLIGHT * 3 / 4, REQUEST_AT_EASE),
            execs: of(2, 8, 256, EXEC_AT_EASE),
            pods: of(2, 4, 256, POD_AT_EASE),
            alive: Mutex::new(Instant::now()),
        }))
    }
}

impl Pace {
    /// Requests to the API server.
    pub(crate) fn requests(&self) -> &Arc<Throttle> {
        &self.0.requests
    }

    /// Attempts among them.
    pub(crate) fn attempts(&self) -> &Arc<Throttle> {
        &self.0.attempts
    }

    /// Execs into probes.
    pub(crate) fn execs(&self) -> &Arc<Throttle> {
        &self.0.execs
    }

    /// Pods on their way to running.
    pub(crate) fn pods(&self) -> &Arc<Throttle> {
        &self.0.pods
    }

    /// `time`, which is enough on an idle cluster, in proportion to how slow this one's nodes have just shown themselves; never shorter.
    pub(crate) fn patience(&self, time: Duration) -> Duration {
        self.0.execs.patience(time).max(self.0.pods.patience(time))
    }

    /// Something has come of what the run has asked for.
    pub(crate) fn lives(&self) {
        *self.0.alive.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Instant::now();
    }

    /// When that was last so.
    pub(crate) fn alive(&self) -> Instant {
        *self.0.alive.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Throttle {
    /// `time`, which is enough on an idle cluster, in proportion to how long turns have lately taken; never shorter.
    pub(crate) fn patience(&self, time: Duration) -> Duration {
        let Shown { lately, at_ease } = self.shown();
        let slowness = lately.as_secs_f64() / at_ease.as_secs_f64() / ROOM;
        time.mul_f64(slowness.clamp(1.0, PATIENCE_AT_MOST.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::nothing_shown_yet(&[], 10)]
    #[case::at_ease(&[5, 8, 9], 10)]
    #[case::slower(&[180; 16], 10)]
    #[case::eight_times_as_slow(&[480; 16], 20)]
    #[case::one_late_answer(&[5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 2000], 10)]
    #[case::beyond_all_patience(&[5000; 16], 30)]
    #[tokio::test]
    async fn patience_follows_what_was_shown(#[case] answers_ms: &[u64], #[case] expected_s: u64) {
        let pace = Pace::default();
        for ms in answers_ms {
            pace.requests().turn().await.took(Duration::from_millis(*ms));
        }
        assert_eq!(pace.requests().patience(Duration::from_secs(10)).as_secs(), expected_s);
        assert_eq!(pace.patience(Duration::from_secs(10)).as_secs(), 10, "slow answers are not slow nodes");
    }
}
