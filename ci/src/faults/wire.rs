//! What the way to the API server does to an exchange. Which exchange is chosen by counting, so that a finding can be repeated.

use std::time::Duration;

use hyper::StatusCode;

use super::seen::Seen;

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The first attempt, control or probe.
    Begun,
    /// The so-manieth exec.
    Exec(usize),
}

impl From {
    pub(super) fn holds(self, seen: &Seen) -> bool {
        match self {
            Self::Begun => seen.begun,
            Self::Exec(number) => seen.execs >= number,
        }
    }
}

/// What is wrong with the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Nothing.
    Whole,
    /// Every answer comes late.
    Late,
    /// Connections break off, in the middle of the answer or before it.
    Cut,
    /// One answer out of so many is this refusal.
    Refused(StatusCode, usize),
    /// ... with a proxy's web page instead of a `Status`.
    Page(StatusCode, usize),
    /// Bodies end half-way, and are said to be whole.
    Halved,
    /// What comes back of an exec ends after some bytes, without a close frame.
    ExecEnds,
    /// ... stays open and says no more.
    ExecSilent,
}

/// What becomes of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    Passed,
    Late(Duration),
    Refused(StatusCode),
    Page(StatusCode),
    /// Asked, done, and the answer never arrives.
    Lost,
    /// The answer breaks off half-way.
    BrokenOff,
    Halved,
    /// A stream ends after so many bytes.
    EndsAfter(u64),
    /// A stream says nothing after so many bytes.
    SilentAfter(u64),
}

/// Where a stream ends: before its first word, within the first answers, after most of them.
const WITHIN_A_STREAM: [u64; 4] = [0, 40, 200, 1000];

impl Wire {
    /// What becomes of the exchange `seen`, the `number`th since the fault began to strike.
    pub(super) fn treatment(self, seen: &Seen, number: usize) -> Treatment {
        let one_of = |every: usize| number % every == every - 1;
        let within = WITHIN_A_STREAM[seen.exec.unwrap_or_default() % WITHIN_A_STREAM.len()];
        match self {
            // Steps of a prime, so that neighbours differ: 300 to 1500 ms.
            Self::Late => Treatment::Late(Duration::from_millis(300 + (number as u64 * 397) % 1201)),
            Self::Cut if one_of(3) && seen.exec.is_some() => Treatment::EndsAfter(within),
            Self::Cut if one_of(6) => Treatment::Lost,
            Self::Cut if one_of(3) => Treatment::BrokenOff,
            Self::Refused(code, every) if one_of(every) => Treatment::Refused(code),
            Self::Page(code, every) if one_of(every) => Treatment::Page(code),
            Self::Halved if one_of(2) && !seen.watch && seen.exec.is_none() => Treatment::Halved,
            Self::ExecEnds if seen.exec.is_some() => Treatment::EndsAfter(within),
            Self::ExecSilent if seen.exec.is_some() => Treatment::SilentAfter(within),
            _ => Treatment::Passed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::whole(Wire::Whole, &[false; 6])]
    #[case::late(Wire::Late, &[true; 6])]
    #[case::cut(Wire::Cut, &[false, false, true, false, false, true])]
    #[case::half(Wire::Refused(StatusCode::SERVICE_UNAVAILABLE, 2), &[false, true, false, true, false, true])]
    #[case::all(Wire::Refused(StatusCode::SERVICE_UNAVAILABLE, 1), &[true; 6])]
    fn which_exchanges_are_struck(#[case] wire: Wire, #[case] expected: &[bool]) {
        let seen = super::super::seen::Traffic::new().request("GET", "/api/v1/pods", "", false);
        let struck: Vec<bool> =
            (0..expected.len()).map(|number| wire.treatment(&seen, number) != Treatment::Passed).collect();
        assert_eq!(struck, expected);
    }
}
