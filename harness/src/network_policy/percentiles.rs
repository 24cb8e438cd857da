//! How long something took, many times: the figures that people quote.
use std::fmt;

/// Some durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Percentiles(Vec<u64>);

impl Percentiles {
    /// Of durations in milliseconds.
    pub fn of(mut ms: Vec<u64>) -> Self {
        ms.sort_unstable();
        Self(ms)
    }

    /// How long at least so many of a hundred took, in milliseconds: the nearest rank. 0 where there was none.
    pub fn at(&self, share: usize) -> u64 {
        let rank = (self.0.len() * share).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// The longest, in milliseconds.
    pub fn max(&self) -> u64 {
        self.at(100)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {} ms, p95 {} ms, max {} ms", self.at(50), self.at(95), self.max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::none(vec![], "p50 0 ms, p95 0 ms, max 0 ms")]
    #[case::one(vec![7], "p50 7 ms, p95 7 ms, max 7 ms")]
    #[case::twenty((1..=20).rev().collect(), "p50 10 ms, p95 19 ms, max 20 ms")]
    #[case::hundred((1..=100).collect(), "p50 50 ms, p95 95 ms, max 100 ms")]
    fn the_nearest_rank(#[case] ms: Vec<u64>, #[case] expected: &str) {
        assert_eq!(Percentiles::of(ms).to_string(), expected);
    }
}
