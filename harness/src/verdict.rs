//! A verdict, and what it takes to reach one.
//!
//! A scenario cannot write a denial down by itself: a [`Verdict`] comes from an attempt in [`crate::attempt`], which asks for the
//! guards that are expected and for the control before it can be awaited.
//!
//! ```
//! # use harness::{cx::Cx, scenario::Guard, verdict::Attempted};
//! async fn attempt(cx: &Cx) -> Attempted {
//!     let pod = cx.plain_pod()?;
//!     cx.admission(pod.clone()).await?.denied_by(&[Guard::PodSecurity]).while_admitting(pod).await
//! }
//! ```
//! Without a control:
//! ```compile_fail,E0277
//! # use harness::{cx::Cx, scenario::Guard, verdict::Attempted};
//! async fn attempt(cx: &Cx) -> Attempted {
//!     cx.admission(cx.plain_pod()?).await?.denied_by(&[Guard::PodSecurity]).await
//! }
//! ```
//! Without its guards:
//! ```compile_fail,E0599
//! # use harness::{cx::Cx, verdict::Attempted};
//! async fn attempt(cx: &Cx) -> Attempted {
//!     let pod = cx.plain_pod()?;
//!     cx.admission(pod.clone()).await?.while_admitting(pod).await
//! }
//! ```
//! Packets without a path that must be open:
//! ```compile_fail,E0277
//! # use harness::{attempt::packets::reach::Path, cx::Cx, scenario::Guard, verdict::Attempted};
//! async fn attempt(cx: &Cx, path: Path) -> Attempted {
//!     cx.reach(vec![path]).stopped_by(Guard::Network).await
//! }
//! ```
//! Written down:
//! ```compile_fail,E0451
//! # use harness::{record::Outcome, scenario::Guard, verdict::Verdict};
//! fn green() -> Verdict {
//!     let outcome = Outcome::Denied { guard: Guard::Rbac, evidence: "trust me".into(), control: "me".into() };
//!     Verdict { outcome, denied_after_ms: None, attempts: 1 }
//! }
//! ```
use std::fmt;

use crate::record::outcome::Outcome;
use crate::told::told;
use crate::words::Guard;

/// What became of one cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) denied_after_ms: Option<u64>,
    pub(crate) attempts: usize,
}

impl Verdict {
    pub(crate) fn denied(guard: Guard, evidence: String, control: Control, after_ms: u64) -> Self {
        let outcome = Outcome::Denied { guard, evidence, control: control.0 };
        Self { outcome, denied_after_ms: Some(after_ms), attempts: 1 }
    }

    /// A denial, with one more thing that proves what it is worth.
    pub(crate) fn also_controlled_by(mut self, more: &Control) -> Self {
        if let Outcome::Denied { control, .. } = &mut self.outcome {
            control.push_str("; ");
            control.push_str(&more.0);
        }
        self
    }

    /// A denial, with what was not asked.
    pub(crate) fn told(mut self, besides: &str) -> Self {
        if let Outcome::Denied { evidence, .. } = &mut self.outcome {
            evidence.push_str("; ");
            evidence.push_str(besides);
        }
        self
    }

    /// This denial and another one.
    fn and(mut self, other: Self) -> Self {
        if let (Outcome::Denied { evidence, control, .. }, Outcome::Denied { evidence: more, control: proof, .. }) =
            (&mut self.outcome, &other.outcome)
        {
            evidence.push_str("; ");
            evidence.push_str(more);
            control.push_str("; ");
            control.push_str(proof);
        }
        let denied_after_ms = self.denied_after_ms.max(other.denied_after_ms);
        Self { denied_after_ms, attempts: self.attempts + other.attempts, ..self }
    }

    /// ... and how many attempts it stands for.
    pub(crate) fn of_attempts(self, attempts: usize) -> Self {
        Self { attempts, ..self }
    }

    pub(crate) fn allowed(evidence: impl Into<String>) -> Self {
        Self { outcome: Outcome::Allowed { evidence: evidence.into() }, denied_after_ms: None, attempts: 1 }
    }
}

/// What proved, moments apart, that the attempt could have worked. Only attempts make one.
#[derive(Clone, Debug)]
pub(crate) struct Control(String);

impl Control {
    pub(crate) fn proved(by: impl Into<String>) -> Self {
        Self(by.into())
    }
}

/// Why there is no verdict: the `?` of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoVerdict {
    /// Nothing was proved either way.
    Inconclusive(String),
    /// The question does not arise here.
    NotApplicable(String),
}

impl NoVerdict {
    /// Nothing was proved; `why` says what is missing and what to do.
    pub fn inconclusive(why: impl Into<String>) -> Self {
        Self::Inconclusive(why.into())
    }

    /// The question does not arise on this cluster.
    pub fn not_applicable(why: impl Into<String>) -> Self {
        Self::NotApplicable(why.into())
    }
}

impl fmt::Display for NoVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inconclusive(why) | Self::NotApplicable(why) => f.write_str(why),
        }
    }
}

/// What a scenario's function returns.
pub type Attempted = Result<Verdict, NoVerdict>;

/// One verdict of several that must all be denied: what is allowed by one way is allowed.
pub(crate) fn together(all: impl IntoIterator<Item = Attempted>) -> Attempted {
    let (mut allowed, mut none, mut denied) = (Vec::new(), Vec::new(), None::<Verdict>);
    for attempted in all {
        match attempted {
            Err(why) => none.push(why),
            Ok(Verdict { outcome: Outcome::Allowed { evidence }, .. }) => allowed.push(evidence),
            Ok(verdict) => denied = Some(denied.map_or(verdict.clone(), |first| first.and(verdict))),
        }
    }
    if !allowed.is_empty() {
        return Ok(Verdict::allowed(allowed.join("; ")));
    }
    match (none.into_iter().next(), denied) {
        (Some(why), _) => Err(why),
        (None, Some(verdict)) => Ok(verdict),
        (None, None) => Err(NoVerdict::inconclusive("nothing was attempted")),
    }
}

impl From<NoVerdict> for Verdict {
    fn from(none: NoVerdict) -> Self {
        let outcome = match none {
            NoVerdict::Inconclusive(why) => Outcome::inconclusive(why),
            NoVerdict::NotApplicable(why) => Outcome::NotApplicable { why },
        };
        Self { outcome, denied_after_ms: None, attempts: 0 }
    }
}

impl From<kube::Error> for NoVerdict {
    fn from(error: kube::Error) -> Self {
        Self::Inconclusive(told(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn of(letter: char) -> Attempted {
        match letter {
            'D' => Ok(Verdict::denied(Guard::Rbac, "e".into(), Control::proved("c"), 1)),
            'A' => Ok(Verdict::allowed("a")),
            _ => Err(NoVerdict::inconclusive("i")),
        }
    }

    #[rstest]
    #[case::all("DD", "denied e; e c; c 2")]
    #[case::one_way_is_open("DiA", "allowed a")]
    #[case::of_one_nothing_is_known("Di", "i")]
    #[case::nothing("", "nothing was attempted")]
    fn several_ways(#[case] letters: &str, #[case] expected: &str) {
        let told = match together(letters.chars().map(of)) {
            Ok(Verdict { outcome: Outcome::Denied { evidence, control, .. }, attempts, .. }) => {
                format!("denied {evidence} {control} {attempts}")
            }
            Ok(Verdict { outcome: Outcome::Allowed { evidence }, .. }) => format!("allowed {evidence}"),
            Ok(verdict) => format!("{verdict:?}"),
            Err(why) => why.to_string(),
        };
        assert_eq!(told, expected);
    }
}
