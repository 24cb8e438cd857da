//! Durations that a run has measured, named by whoever measured them: reports show them without knowing them.
use std::fmt;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// What one kind of attempt has measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// What it is called: `startup window`.
    pub name: String,
    /// What is counted, from when to when.
    pub what: String,
    /// What the suite puts up with, in milliseconds; none where nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_ms: Option<u64>,
    /// The spreads, each with what it is over: `all`, `on NODE`.
    pub spreads: Vec<Named>,
    /// How fast the cluster answered beside it, before and after; none where that was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulse: Option<Beside>,
}

/// A spread and what it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Over what.
    pub over: String,
    /// The durations.
    #[serde(flatten)]
    pub spread: Spread,
}

impl Measurement {
    /// The spread over `over`.
    pub fn spread(&self, over: &str) -> Option<Spread> {
        self.spreads.iter().find(|named| named.over == over).map(|named| named.spread)
    }
}

/// The measurements of a run, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Measurements(Mutex<Vec<Measurement>>);

impl Measurements {
    /// Adds one.
    pub fn add(&self, measurement: Measurement) {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(measurement);
    }

    /// All of them so far.
    pub fn all(&self) -> Vec<Measurement> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

/// A spread of durations in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many were measured.
    pub count: usize,
    /// Half of them are no longer.
    pub p50_ms: u64,
    /// 95 of 100 are no longer.
    pub p95_ms: u64,
    /// The longest.
    pub max_ms: u64,
}

impl Spread {
    /// The spread of `durations`, by the nearest rank.
    pub fn of(mut durations: Vec<u64>) -> Self {
        durations.sort_unstable();
        let rank = |percent: usize| {
            let rank = (durations.len() * percent).div_ceil(100).max(1) - 1;
            durations.get(rank).copied().unwrap_or_default()
        };
        Self { count: durations.len(), p50_ms: rank(50), p95_ms: rank(95), max_ms: rank(100) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {} ms, p95 {} ms, max {} ms over {}", self.p50_ms, self.p95_ms, self.max_ms, self.count)
    }
}

/// How fast a cluster answered at one moment, while nothing else of the run was at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// A request to the API server, in milliseconds.
    pub request_ms: u64,
    /// An exec into a probe that does nothing, in milliseconds.
    pub exec_ms: u64,
    /// From the request that makes a pod to the pod running, in milliseconds.
    pub pod_ms: u64,
}

impl fmt::Display for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {} ms, exec {} ms, pod {} ms", self.request_ms, self.exec_ms, self.pod_ms)
    }
}

/// The pulse beside a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Right before it.
    pub before: Pulse,
    /// Right after it.
    pub after: Pulse,
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "before it: {}; after it: {}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::none(&[], (0, 0, 0))]
    #[case::one(&[7], (7, 7, 7))]
    #[case::twenty(&[20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1], (10, 19, 20))]
    fn ranks(#[case] durations: &[u64], #[case] (p50, p95, max): (u64, u64, u64)) {
        let expected = Spread { count: durations.len(), p50_ms: p50, p95_ms: p95, max_ms: max };
        assert_eq!(Spread::of(durations.to_vec()), expected);
    }
}
