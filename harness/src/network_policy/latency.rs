//! How soon a policy bites: from the API server's word that it has it to the first packet refused, and to all of them.
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::time::sleep;

use crate::network_policy::case::Change;
use crate::network_policy::fixture::{Fixture, Watched, given};
use crate::probe::batch::Touch;

/// What a packet may take while it is being timed, at the most: a dropped one is known to be so no sooner. So many times what the slowest of
/// them has last taken while all was open, and no less than a packet that had to wait for its processor.
pub(super) const WITHIN: Duration = Duration::from_millis(100);
const AT_LEAST: Duration = Duration::from_millis(25);
const AGAIN_AFTER: Duration = Duration::from_millis(5);

/// So many looks in a row must say the same: what flaps has not settled.
const SETTLED: usize = 3;

/// One policy that came and went, in milliseconds; `None` where the limit came first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// From the policy to the first path that stays closed.
    pub first_closed_ms: Option<u64>,
    /// ... to the last.
    pub all_closed_ms: Option<u64>,
    /// From its deletion to the last path that is open again.
    pub all_open_ms: Option<u64>,
}

impl Fixture {
    /// Has `policy` come and go `rounds` times, and times the paths between the namespaces `from` and `to`, each pod to its namesake.
    ///
    /// # Errors
    /// Where the API server refuses a policy, an exec broke, or a path is not open to begin with.
    pub async fn time(
        &mut self,
        policy: &Change,
        gone: &Change,
        (from, to): (&str, &str),
        rounds: usize,
        limit: Duration,
    ) -> Result<Vec<Round>, String> {
        let mut timed = Vec::new();
        self.clear().await?;
        let first = self.settle(from, to, Touch::Reached, WITHIN, limit).await?;
        let mut within = given(first.slowest, AT_LEAST, WITHIN);
        for _ in 0..rounds {
            self.change(std::slice::from_ref(policy)).await?;
            let closed = self.settle(from, to, Touch::Stopped, within, limit).await?;
            self.change(std::slice::from_ref(gone)).await?;
            let open = self.settle(from, to, Touch::Reached, WITHIN, limit).await?;
            within = given(open.slowest, AT_LEAST, WITHIN);
            let all = |ms: &[Option<u64>]| ms.iter().copied().collect::<Option<Vec<u64>>>()?.into_iter().max();
            let round = Round {
                first_closed_ms: closed.after_ms.iter().flatten().min().copied(),
                all_closed_ms: all(&closed.after_ms),
                all_open_ms: all(&open.after_ms),
            };
            timed.push(round);
            // Whatever did not happen once in so long a time will not happen the next time.
            if round.all_closed_ms.is_none() || round.all_open_ms.is_none() {
                break;
            }
        }
        Ok(timed)
    }

    /// When the last of the paths between them was closed; none where the limit came first.
    pub(super) async fn all_closed(
        &mut self,
        from: &str,
        to: &str,
        limit: Duration,
    ) -> Result<Option<Duration>, String> {
        let closed = self.settle(from, to, Touch::Stopped, WITHIN, limit).await?;
        let all = closed.after_ms.into_iter().collect::<Option<Vec<u64>>>();
        Ok(all.and_then(|all| all.into_iter().max()).map(Duration::from_millis))
    }

    async fn settle(
        &mut self,
        from: &str,
        to: &str,
        wanted: Touch,
        within: Duration,
        limit: Duration,
    ) -> Result<Settled, String> {
        let since = Instant::now();
        let watched = self.watched(from, to).into_iter().map(|path| settled(path, &wanted, since, within, limit));
        let settled = join_all(watched).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let slowest_ms = settled.iter().map(|(_, slowest)| *slowest).max().unwrap_or_default();
        let after_ms = settled.into_iter().map(|(after, _)| after).collect();
        Ok(Settled { after_ms, slowest: Duration::from_millis(slowest_ms) })
    }
}

/// Some paths that have become as wanted, or have not.
struct Settled {
    /// When each was, in milliseconds.
    after_ms: Vec<Option<u64>>,
    /// What the slowest answer of those that count took.
    slowest: Duration,
}

/// When the path first was as wanted, and stayed so; and what the slowest of these answers took.
async fn settled(
    path: Watched<'_>,
    wanted: &Touch,
    since: Instant,
    within: Duration,
    limit: Duration,
) -> Result<(Option<u64>, u64), String> {
    let (mut first, mut looks, mut slowest) = (0, 0, 0);
    while since.elapsed() < limit || looks > 0 {
        let begun = since.elapsed().as_millis() as u64;
        let answers = path.session.ask(std::slice::from_ref(&path.verb), within).await?;
        match answers.first().filter(|answer| answer.touch() == *wanted) {
            None => (looks, slowest) = (0, 0),
            Some(answer) => {
                if looks == 0 {
                    first = begun;
                }
                (looks, slowest) = (looks + 1, slowest.max(answer.ms));
                if looks == SETTLED {
                    return Ok((Some(first), slowest));
                }
            }
        }
        sleep(AGAIN_AFTER).await;
    }
    Ok((None, slowest))
}
