//! What an act's answer proves.
use crate::denial::Denial;
use crate::probe::batch::Answer;

use super::acts::Act;

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It succeeded, and must not have.
    Done,
    /// The kernel refused it, so.
    Refused(String),
    /// There is nothing here to be attempted: no denial, and no hole.
    Lacking(String),
    /// Not judged either way.
    Told(String),
    /// Neither done nor refused.
    Unclear(String),
}

/// Errors for a call, or a kind of socket, that the kernel does not have; or that a filter says it does not have.
const UNKNOWN: [&str; 4] = ["ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT", "EOPNOTSUPP"];

/// What the agent's answer says of an act. `filtered` tells whether the process is under a seccomp filter.
pub fn of(act: &Act, answer: &Answer, filtered: bool) -> Fate {
    let fate = judged(act, answer, filtered);
    match fate {
        Fate::Done if !act.judged => Fate::Told("done".into()),
        Fate::Refused(how) | Fate::Unclear(how) if !act.judged => Fate::Told(how),
        fate => fate,
    }
}

fn judged(act: &Act, answer: &Answer, filtered: bool) -> Fate {
    let errno = answer.errno.clone().unwrap_or_default();
    match answer.result.as_str() {
        "done" => Fate::Done,
        "masked" => Fate::Refused("masked".into()),
        "killed" => {
            let signal = answer.more.get("signal").and_then(serde_json::Value::as_i64).unwrap_or_default();
            match i32::try_from(signal).ok().and_then(Denial::of_signal) {
                Some(denial) => Fate::Refused(denial.reason.to_string()),
                None => Fate::Unclear(format!("ended by signal {signal}")),
            }
        }
        "failed" if Denial::of_errno(&errno).is_some() => Fate::Refused(errno),
        "failed" if act.lacking.contains(&errno.as_str()) => Fate::Lacking(errno),
        "failed" if UNKNOWN.contains(&errno.as_str()) => {
            // The profiles of containers/common answer ENOSYS to whatever they do not list. Then the kernel has it, and says so
            // elsewhere; without a filter, or without such a sign, it is the kernel that lacks it.
            let known = answer.more.get("known").and_then(serde_json::Value::as_bool).unwrap_or_default();
            if known && filtered { Fate::Refused(format!("{errno} by the filter")) } else { Fate::Lacking(errno) }
        }
        _ => Fate::Unclear(told(answer)),
    }
}

/// Whether the act's twin succeeded, or how it failed.
pub fn twin(answer: &Answer) -> Result<(), String> {
    let text = |key: &str| answer.more.get(key).and_then(serde_json::Value::as_str);
    match text("twin") {
        Some("done") => Ok(()),
        Some(result) => Err(text("twin_errno").unwrap_or(result).to_owned()),
        None => Err("it was not tried".to_owned()),
    }
}

fn told(answer: &Answer) -> String {
    let detail = answer.why.as_ref().or(answer.errno.as_ref());
    detail.map_or_else(|| answer.result.clone(), |detail| format!("{} ({detail})", answer.result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::node::contained::acts::ACTS;
    use crate::probe::batch::answers;
    use rstest::rstest;
    use serde_json::json;

    fn act(name: &str) -> &'static Act {
        // Promoted: the table is a constant.
        let acts: &'static [Act] = const { &ACTS };
        acts.iter().find(|act| act.name == name).unwrap()
    }

    fn answer(mut answer: serde_json::Value) -> Answer {
        answer["id"] = 0.into();
        answers(&answer.to_string(), 1).unwrap().remove(0)
    }

    fn failed(errno: &str) -> serde_json::Value {
        json!({ "result": "failed", "errno": errno })
    }

    #[rstest]
    #[case::done("chroot", json!({ "result": "done" }), Fate::Done)]
    #[case::refused("chroot", failed("EPERM"), Fate::Refused("EPERM".into()))]
    #[case::read_only("write-root", failed("EROFS"), Fate::Refused("EROFS".into()))]
    #[case::masked("unmask-keys", json!({ "result": "masked" }), Fate::Refused("masked".into()))]
    #[case::no_such_path("device-mem", failed("ENOENT"), Fate::Lacking("ENOENT".into()))]
    #[case::no_path_is_meant("chroot", failed("ENOENT"), Fate::Unclear("failed (ENOENT)".into()))]
    #[case::a_bad_argument("bpf", failed("EINVAL"), Fate::Unclear("failed (EINVAL)".into()))]
    #[case::no_call("bpf", failed("ENOSYS"), Fate::Lacking("ENOSYS".into()))]
    #[case::a_call_hidden(
        "bpf", json!({ "result": "failed", "errno": "ENOSYS", "known": true }), Fate::Refused("ENOSYS by the filter".into())
    )]
    #[case::no_such_socket("socket-packet", failed("EAFNOSUPPORT"), Fate::Lacking("EAFNOSUPPORT".into()))]
    #[case::killed_by_the_filter(
        "bpf", json!({ "result": "killed", "signal": 31 }), Fate::Refused("the kernel ended the process: SIGSYS (seccomp)".into())
    )]
    #[case::killed("bpf", json!({ "result": "killed", "signal": 14 }), Fate::Unclear("ended by signal 14".into()))]
    #[case::not_attempted("bpf", json!({ "result": "invalid", "why": "not in a pod" }), Fate::Unclear("invalid (not in a pod)".into()))]
    #[case::only_told("keyctl", json!({ "result": "done" }), Fate::Told("done".into()))]
    fn under_a_filter(#[case] name: &str, #[case] said: serde_json::Value, #[case] expected: Fate) {
        assert_eq!(of(act(name), &answer(said), true), expected);
    }

    #[test]
    fn without_a_filter_a_missing_call_is_the_kernels() {
        let said = json!({ "result": "failed", "errno": "ENOSYS", "known": true });
        assert_eq!(of(act("bpf"), &answer(said), false), Fate::Lacking("ENOSYS".into()));
    }

    #[test]
    fn a_twin_that_fails_says_how() {
        assert_eq!(twin(&answer(json!({ "result": "failed", "twin": "done" }))), Ok(()));
        assert_eq!(
            twin(&answer(json!({ "result": "failed", "twin": "failed", "twin_errno": "ENOENT" }))),
            Err("ENOENT".into())
        );
    }
}
