//! How fast the cluster answers at a moment: what a duration is held against.
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};

use crate::cx::Cx;
use crate::probe::dialled::{self, Dialled};
use crate::record::measurement::{Beside, Pulse};
use crate::verdict::NoVerdict;

/// A pulse that has become so many times as slow, or as fast, is another's doing: nothing of the run's own was at work.
const STEADY: u64 = 4;
/// Below that, in milliseconds, it beats as it will: seconds that something stays open are not explained by it.
const REQUEST_MS: u64 = 1000;
const EXEC_MS: u64 = 4000;
const POD_MS: u64 = 15_000;

impl Cx {
    /// The pulse now; of pods, that of the one that was started last.
    ///
    /// # Errors
    /// Inconclusive where the cluster does not answer.
    pub(crate) async fn pulse(&self) -> Result<Pulse, NoVerdict> {
        let client = &self.env.personas.operator.client;
        let start = Instant::now();
        Api::<Namespace>::all(client.clone()).list_metadata(&ListParams::default().limit(1)).await?;
        let request_ms = ms(start.elapsed());
        let probe = self.outside_probe(self.node()?).await?;
        let start = Instant::now();
        match dialled::kubelet(client, &probe).await.map_err(NoVerdict::Inconclusive)? {
            Dialled::Served => {}
            Dialled::Cut(why) => return Err(NoVerdict::inconclusive(format!("no pulse: {why}"))),
        }
        Ok(Pulse { request_ms, exec_ms: ms(start.elapsed()), pod_ms: self.env.probes.last_start_ms() })
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// What is wrong with a pulse that has not kept steady: durations between say nothing about what was measured then.
pub(crate) fn unsteady(Beside { before, after }: &Beside) -> Option<String> {
    let beats = [
        ("a request", before.request_ms, after.request_ms, REQUEST_MS),
        ("an exec", before.exec_ms, after.exec_ms, EXEC_MS),
        ("a pod's start", before.pod_ms, after.pod_ms, POD_MS),
    ];
    let (what, before, after, _) = beats.into_iter().find(|(_, before, after, at_least)| {
        let (less, more) = (before.min(after), before.max(after));
        more > at_least && *more > less * STEADY
    })?;
    Some(format!(
        "something else came upon the cluster meanwhile: {what} took {before} ms before and {after} ms after it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::steady((10, 200, 1500), (40, 900, 4000), None)]
    #[case::slow_all_the_time((900, 9000, 60_000), (1200, 8000, 70_000), None)]
    #[case::a_late_request((49, 200, 1500), (274, 300, 1500), None)]
    #[case::requests((10, 200, 1500), (1500, 300, 1500), Some("a request took 10 ms before and 1500 ms after it"))]
    #[case::execs_that_recover((10, 9000, 1500), (10, 300, 1500), Some("an exec took 9000 ms before and 300 ms after it"))]
    #[case::pods((10, 200, 1500), (10, 300, 30_000), Some("a pod's start took 1500 ms before and 30000 ms after it"))]
    fn a_pulse_tells_of_others(
        #[case] before: (u64, u64, u64),
        #[case] after: (u64, u64, u64),
        #[case] expected: Option<&str>,
    ) {
        let pulse = |(request_ms, exec_ms, pod_ms)| Pulse { request_ms, exec_ms, pod_ms };
        let found = unsteady(&Beside { before: pulse(before), after: pulse(after) });
        let expected = expected.map(|words| format!("something else came upon the cluster meanwhile: {words}"));
        assert_eq!(found, expected);
    }
}
