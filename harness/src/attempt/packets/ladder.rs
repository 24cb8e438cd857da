//! Rungs towards something: how far up an attempt gets is the evidence, and even the lowest is too far.
//!
//! What is held on the way never leaves the pod: an answer says that it was there, its length and its digest.
use std::sync::Arc;
use std::time::Duration;

use crate::attempt::packets::reach::{Answered, Closed, Path, Tried};
use crate::cx::Cx;
use crate::probe::Probe;
use crate::probe::batch::{Answer, Touch, Verb};
use crate::verdict::{Attempted, Control, NoVerdict};
use crate::words::Guard;

/// One rung.
#[derive(Clone, Debug)]
pub struct Rung {
    /// What whoever stands on it has: `the instance document`.
    pub name: &'static str,
    /// How it is tried.
    pub verb: Verb,
    /// When it is climbed.
    pub when: When,
}

/// When a rung is climbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The other side was reached, whatever it said.
    Reached,
    /// It served the document, with status 200.
    Served,
    /// ... and has it at all: not every node does, but a ladder of such rungs needs one that is there.
    ServedIfThere,
    /// It served a key that matches the certificate of the rung below: both have one RSA modulus.
    Matching,
}

impl Cx {
    /// Attempts to climb `rungs` from `from` to what `to` names.
    pub fn ladder(&self, from: &Arc<Probe>, to: &'static str, rungs: &'static [Rung]) -> Ladder {
        Ladder { from: from.clone(), to, rungs, enforcement: self.env.suite.thresholds.enforcement() }
    }
}

/// A ladder that must not be climbed.
#[must_use = "name the expected guard with `stopped_by`"]
pub struct Ladder {
    pub(crate) from: Arc<Probe>,
    pub(crate) to: &'static str,
    pub(crate) rungs: &'static [Rung],
    pub(crate) enforcement: Duration,
}

impl Ladder {
    /// The guard whose refusal counts.
    pub fn stopped_by(self, guard: Guard) -> Guarded {
        Guarded { ladder: self, guard }
    }
}

/// ... with its guard.
#[must_use = "name the control with `while_climbed_by`"]
pub struct Guarded {
    ladder: Ladder,
    guard: Guard,
}

impl Guarded {
    /// The control: a probe that climbs the whole ladder at the same moment. A refusal counts where not even a connection was made: whoever
    /// hears an error has got there.
    ///
    /// # Errors
    /// Inconclusive where the control does not get up, an exec broke, or an answer says neither.
    pub async fn while_climbed_by(self, control: &Arc<Probe>) -> Attempted {
        let Self { ladder: Ladder { from, to, rungs, enforcement }, guard } = self;
        let paths = |from| rungs.iter().map(|rung| Path::new(from, rung.verb.clone(), to)).collect();
        let closed = Closed { attempts: paths(&from), controls: paths(control), enforcement, guard };
        let told = |tried: &Tried| {
            let answers: Vec<_> = (0..rungs.len()).map(|place| tried.answer(place)).collect();
            format!("{from} reached {to}: {}", height(rungs, &answers))
        };
        closed.judged(told, |paths, answers| climbed(rungs, paths, &answers)).await
    }
}

/// Which rungs are climbed.
fn standing(rungs: &[Rung], answers: &[Option<&Answer>]) -> Vec<bool> {
    let climbed = |place: usize| {
        let Some(answer) = answers[place] else { return false };
        let served = answer.status == Some(200) && answer.more.get("bytes").is_none_or(|bytes| bytes != 0);
        match rungs[place].when {
            When::Reached => answer.touch() == Touch::Reached,
            When::Served | When::ServedIfThere => served,
            When::Matching => {
                let modulus = |answer: &Answer| answer.more.get("modulus").cloned();
                let below = place.checked_sub(1).and_then(|below| answers[below]).and_then(modulus);
                served && below.is_some() && below == modulus(answer)
            }
        }
    };
    (0..rungs.len()).map(climbed).collect()
}

/// The highest rung that was reached, then each with yes or no.
fn height(rungs: &[Rung], answers: &[Option<&Answer>]) -> String {
    let standing = standing(rungs, answers);
    let highest = rungs.iter().zip(&standing).rfind(|(_, climbed)| **climbed).map(|(rung, _)| rung.name);
    let each = rungs.iter().zip(&standing).zip(answers).map(|((rung, climbed), answer)| {
        let answer = answer.map_or_else(|| "no answer".into(), told);
        format!("{}: {} ({answer})", rung.name, if *climbed { "yes" } else { "no" })
    });
    let each: Vec<String> = each.collect();
    format!("the highest rung is {}; {}", highest.unwrap_or("none"), each.join("; "))
}

/// An answer, with a digest where it has one: that of a modulus, which is public, rather than that of the document around it.
fn told(answer: &Answer) -> String {
    let digest = answer.more.get("modulus").and_then(|modulus| modulus.as_str());
    match digest {
        Some(modulus) => format!("{answer}, modulus sha256:{modulus:.16}"),
        None => answer.to_string(),
    }
}

fn climbed(rungs: &[Rung], paths: &[Path], answers: &[Answered]) -> Result<Control, NoVerdict> {
    let who = paths.first().map(|path| path.from.to_string()).unwrap_or_default();
    let broken = answers.iter().find_map(|answer| answer.as_ref().err());
    if let Some(why) = broken {
        return Err(NoVerdict::inconclusive(format!("no control: {why}")));
    }
    let answers: Vec<_> = answers.iter().map(|answer| answer.as_ref().ok().map(|answers| &answers.own)).collect();
    let standing = standing(rungs, &answers);
    let (perhaps, always): (Vec<_>, Vec<_>) =
        rungs.iter().zip(&standing).partition(|(rung, _)| rung.when == When::ServedIfThere);
    let none_of = |rungs: &[(&Rung, &bool)]| rungs.iter().all(|(_, climbed)| !**climbed);
    if always.iter().any(|(_, climbed)| !**climbed) || !perhaps.is_empty() && none_of(&perhaps) {
        let height = height(rungs, &answers);
        return Err(NoVerdict::inconclusive(format!("no control: {who} does not get up the whole ladder: {height}")));
    }
    Ok(Control::proved(format!("{who} climbs it at the same moment: {}", height(rungs, &answers))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::packets::reach::Answers;
    use std::net::{IpAddr, Ipv4Addr};

    use rstest::rstest;
    use serde_json::json;

    const VERB: Verb = Verb::Tcp { to: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 80 };
    const IDENTITY: [Rung; 3] = [
        Rung { name: "connection", verb: VERB, when: When::Reached },
        Rung { name: "certificate", verb: VERB, when: When::Served },
        Rung { name: "key", verb: VERB, when: When::Matching },
    ];
    const DATA: [Rung; 2] = [
        Rung { name: "one", verb: VERB, when: When::ServedIfThere },
        Rung { name: "other", verb: VERB, when: When::ServedIfThere },
    ];

    fn of(rungs: &[Rung], answers: &[serde_json::Value]) -> Result<String, String> {
        let answers: Vec<Answered> = answers
            .iter()
            .map(|json| Ok(Answers { own: serde_json::from_value(json.clone()).unwrap(), instead: None, beside: None }))
            .collect();
        climbed(rungs, &[], &answers).map(|control| format!("{control:?}")).map_err(|why| why.to_string())
    }

    #[rstest]
    #[case::pair(json!({ "result": "answered", "status": 200, "modulus": "a" }), true)]
    #[case::another_key(json!({ "result": "answered", "status": 200, "modulus": "b" }), false)]
    #[case::no_key(json!({ "result": "answered", "status": 200 }), false)]
    #[case::refused(json!({ "result": "answered", "status": 404 }), false)]
    #[case::empty(json!({ "result": "answered", "status": 200, "bytes": 0, "modulus": "a" }), false)]
    fn only_the_certificates_own_key_is_the_identity(#[case] key: serde_json::Value, #[case] whole: bool) {
        let certificate = json!({ "result": "answered", "status": 200, "modulus": "a" });
        assert_eq!(of(&IDENTITY, &[json!({ "result": "open" }), certificate, key]).is_ok(), whole);
    }

    #[rstest]
    #[case::both([200, 200], true)]
    #[case::one([404, 200], true)]
    #[case::none([404, 404], false)]
    fn what_is_not_on_every_node_must_be_on_this_one_in_part(#[case] status: [u16; 2], #[case] whole: bool) {
        let answers = status.map(|status| json!({ "result": "answered", "status": status }));
        assert_eq!(of(&DATA, &answers).is_ok(), whole);
    }

    #[test]
    fn the_evidence_names_the_highest_rung_and_no_secret() {
        let answers = [
            json!({ "result": "open", "ms": 1 }),
            json!({ "result": "answered", "status": 200, "ms": 2, "modulus": "0123456789abcdef0123", "sha256": "c" }),
            json!({ "result": "answered", "status": 401, "ms": 3, "sha256": "d" }),
        ];
        let answers: Vec<Answer> = answers.map(|answer| serde_json::from_value(answer).unwrap()).into();
        let answers: Vec<_> = answers.iter().map(Some).collect();
        insta::assert_snapshot!(height(&IDENTITY, &answers), @"the highest rung is certificate; connection: yes (open after 1 ms); certificate: yes (answered 200 after 2 ms, modulus sha256:0123456789abcdef); key: no (answered 401 after 3 ms)");
    }
}
