//! Getting out of a container, from inside: what its kernel grants, and what it refuses.
//!
//! The API server admits a pod by what it says; whether the runtime does as it says, only the kernel can tell. So everything here is
//! asked of a running probe: what it was granted is held against what its pod, as admitted, asks for, and what a contained
//! process must not be able to do is attempted.
//!
//! An errno proves little by itself: a wrong argument fails as well, and a filter may answer ENOSYS where the kernel has the call. The
//! control is therefore made act by act, in the same exec: the same call without what is forbidden about it (a FIFO instead of a
//! device, the own user instead of root, reading instead of writing) must succeed. Calls that a filter closes whole have no such
//! twin; that their arguments are right is shown where the filter is gone, by the sabotage of whoever proves the suite.
mod acts;
mod fate;
mod grants;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::cx::Cx;
use crate::probe::Probe;
use crate::probe::batch::{Answer, Verb};
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

use acts::{ACTS, Twin};
use fate::Fate;
use grants::Grants;

/// What the kernel is asked for, for the reader.
pub fn attempts() -> Vec<String> {
    ACTS.iter().map(|act| format!("{}: {}", act.name, act.what)).collect()
}

impl Cx {
    /// Attempts to get out of `probe`'s container, and holds what its kernel grants against what its pod asks for.
    pub fn contained(&self, probe: &Arc<Probe>) -> Contained {
        Contained { probe: probe.clone() }
    }
}

/// A probe that must not get out of its container.
#[must_use = "name the expected guard with `refused_by`"]
pub struct Contained {
    pub(crate) probe: Arc<Probe>,
}

impl Contained {
    /// The guard whose refusal counts.
    pub fn refused_by(self, guard: Guard) -> Guarded {
        Guarded { probe: self.probe, guard }
    }
}

/// ... with its guard.
#[must_use = "name the control with `beside`"]
pub struct Guarded {
    probe: Arc<Probe>,
    guard: Guard,
}

impl Guarded {
    /// The control: `neighbour`, another pod on the same node, which shares no namespace with the probe unless both have the node's;
    /// and each act's twin, which must succeed.
    ///
    /// # Errors
    /// Inconclusive where an exec broke, a twin failed, or an act failed for another reason than a refusal.
    pub async fn beside(self, neighbour: &Probe) -> Attempted {
        let verbs = grants::VERBS.into_iter().chain(ACTS.iter().map(|act| Verb::Kernel { act: act.name }));
        let start = Instant::now();
        let (answers, theirs) =
            tokio::join!(self.probe.line.ask(verbs.collect()), neighbour.line.ask(grants::VERBS.into()));
        let after_ms = start.elapsed().as_millis() as u64;
        let mut answers = answers.map_err(NoVerdict::inconclusive)?;
        let tried = answers.split_off(answers.len().min(grants::VERBS.len()));
        let grants = Grants::read(&answers).map_err(NoVerdict::inconclusive)?;
        let theirs = theirs.and_then(|answers| Grants::read(&answers));
        let theirs = theirs.map_err(|why| NoVerdict::inconclusive(format!("no control: {neighbour}: {why}")))?;

        let asked = &self.probe.asked;
        let mut wrong = grants.contradictions(asked);
        wrong.extend(grants.shared_with(&theirs, asked));
        let sum = Sum::of(&tried, grants.is_filtered());
        if !wrong.is_empty() || !sum.done.is_empty() {
            wrong.extend(sum.done);
            return Ok(Verdict::allowed(wrong.join("; ")));
        }
        if !sum.unproved.is_empty() {
            return Err(NoVerdict::inconclusive(format!("no control: {}", sum.unproved.join("; "))));
        }
        if !sum.unclear.is_empty() || sum.refused.is_empty() {
            let why = listed(&sum.unclear).unwrap_or_else(|| "nothing was refused".to_owned());
            return Err(NoVerdict::inconclusive(why));
        }
        let count: usize = sum.refused.values().map(Vec::len).sum();
        let mut evidence = format!("{count} acts refused: {}", listed(&sum.refused).unwrap_or_default());
        evidence += &format!("; granted as asked: {grants}");
        for (title, answers) in [("told, not judged", &sum.told), ("not to be had here", &sum.lacking)] {
            if let Some(answers) = listed(answers) {
                evidence += &format!("; {title}: {answers}");
            }
        }
        let control = format!(
            "in the same exec, without what is forbidden, succeeded: {}; {neighbour} shares no namespace",
            sum.twins.join(", ")
        );
        Ok(Verdict::denied(self.guard, evidence, Control::proved(control), after_ms))
    }
}

/// Acts by what the kernel answered.
type ByAnswer = BTreeMap<String, Vec<&'static str>>;

/// What became of all acts.
#[derive(Default)]
struct Sum {
    done: Vec<String>,
    refused: ByAnswer,
    lacking: ByAnswer,
    told: ByAnswer,
    unclear: ByAnswer,
    /// Refused acts whose twin failed.
    unproved: Vec<String>,
    /// Acts whose twin succeeded.
    twins: Vec<&'static str>,
}

impl Sum {
    fn of(answers: &[Answer], filtered: bool) -> Self {
        let mut sum = Self::default();
        for (act, answer) in ACTS.iter().zip(answers) {
            let (list, what) = match fate::of(act, answer, filtered) {
                Fate::Done => {
                    sum.done.push(format!("the kernel lets it {} ({})", act.what, act.name));
                    continue;
                }
                Fate::Refused(how) => {
                    match (&act.twin, fate::twin(answer)) {
                        (Twin::None, _) | (Twin::Helpful, Err(_)) => {}
                        (_, Ok(())) => sum.twins.push(act.name),
                        (Twin::Needed, Err(why)) => {
                            sum.unproved.push(format!("{} was refused, and so was its harmless twin: {why}", act.name));
                        }
                    }
                    (&mut sum.refused, how)
                }
                Fate::Lacking(how) => (&mut sum.lacking, how),
                Fate::Told(how) => (&mut sum.told, how),
                Fate::Unclear(how) => (&mut sum.unclear, how),
            };
            list.entry(what).or_default().push(act.name);
        }
        sum
    }
}

/// `EPERM: chroot, mount; EROFS: write-root`.
fn listed(answers: &ByAnswer) -> Option<String> {
    let lines: Vec<String> = answers.iter().map(|(answer, acts)| format!("{answer}: {}", acts.join(", "))).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What the agent answers where everything is refused and every twin succeeds, but for `changed`.
    fn sum(changed: &[(&str, serde_json::Value)]) -> Sum {
        let refused = json!({ "result": "failed", "errno": "EPERM", "twin": "done" });
        let lines = ACTS.iter().enumerate().map(|(id, act)| {
            let change = changed.iter().find(|(name, _)| *name == act.name);
            let mut line = change.map_or_else(|| refused.clone(), |(_, answer)| answer.clone());
            line["id"] = id.into();
            format!("{line}\n")
        });
        Sum::of(&crate::probe::batch::answers(&lines.collect::<String>(), ACTS.len()).unwrap(), true)
    }

    #[test]
    fn what_is_refused_next_to_its_twin_counts() {
        let sum = sum(&[]);
        assert!(sum.done.is_empty() && sum.unproved.is_empty() && sum.unclear.is_empty());
        assert_eq!(sum.refused["EPERM"].len() + sum.told["EPERM"].len(), ACTS.len());
        assert!(sum.twins.contains(&"setuid-root"));
    }

    #[test]
    fn a_refusal_without_its_twin_proves_nothing() {
        let alone = json!({ "result": "failed", "errno": "EPERM", "twin": "failed", "twin_errno": "EACCES" });
        let sum = sum(&[("mknod-device", alone.clone()), ("ptrace-suspend-seccomp", alone)]);
        // Some profiles close ptrace whole.
        assert_eq!(sum.unproved, ["mknod-device was refused, and so was its harmless twin: EACCES"]);
    }

    #[test]
    fn what_succeeds_is_told_by_name() {
        let sum =
            sum(&[("chroot", json!({ "result": "done", "twin": "done" })), ("keyctl", json!({ "result": "done" }))]);
        assert_eq!(sum.done, ["the kernel lets it change its root (chroot)"]);
        assert_eq!(sum.told["done"], ["keyctl"]);
    }
}
