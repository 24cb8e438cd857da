//! What a policy may leave alone: a connection that was there before it, and what is neither TCP nor UDP. The specification decides neither (Kubernetes:
//! "Network Policies", "NetworkPolicy's impact on existing connections"; `NetworkPolicyPort` knows no ICMP), so that both are tried and told, and
//! no verdict depends on them.
use std::fmt;
use std::time::Duration;

use tokio::time::sleep;

use crate::network_policy::case::Change;
use crate::network_policy::fixture::{Fixture, KEPT};
use crate::network_policy::latency::WITHIN;
use crate::probe::batch::{Answer, Touch, Verb};

/// How long before the policy the connection is asked for: it must be there, and its answer says when it was.
const BEFORE: Duration = Duration::from_millis(100);
/// It is used again after so many times what policies have lately taken to bite, ...
const TIMES: u32 = 4;
/// ... and no sooner.
const AT_LEAST: Duration = Duration::from_millis(300);

/// What became of them under a policy that closes every new way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlived {
    connection: Fate,
    echo: Fate,
}

/// What became of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    GoesOn,
    IsCut,
    /// Why it is not known.
    Untold(String),
}

impl Fixture {
    /// Tries both while `policy` comes, from the first pod of `from` to its namesake in `to`; `bites` is what policies have lately taken.
    ///
    /// # Errors
    /// Where the API server refuses a policy, an exec broke, or a path is not open to begin with.
    pub async fn outlived(
        &mut self,
        policy: &Change,
        gone: &Change,
        (from, to): (&str, &str),
        bites: Duration,
        limit: Duration,
    ) -> Result<Outlived, String> {
        let (mut beside, address) = self.beside(from, to).await?;
        let echo = [Verb::Echo { to: address }];
        let answered = beside.ask(&echo, WITHIN).await?;
        let after = (bites * TIMES).max(AT_LEAST) + BEFORE;
        let held = [Verb::Held { to: address, port: KEPT, after_ms: after.as_millis() as u32 }];
        let close = async {
            sleep(BEFORE).await;
            self.change(std::slice::from_ref(policy)).await?;
            self.all_closed(from, to, limit).await
        };
        let (held, closed) = tokio::join!(beside.ask(&held, after + WITHIN), close);
        let (held, closed) = (held?, closed?);
        let still_answered = beside.ask(&echo, WITHIN).await?;
        self.change(std::slice::from_ref(gone)).await?;
        let in_time = closed.is_some_and(|closed| BEFORE + closed < after);
        Ok(Outlived {
            connection: connection(held.first(), in_time),
            echo: echo_requests(answered.first(), still_answered.first(), closed.is_some()),
        })
    }
}

fn connection(held: Option<&Answer>, in_time: bool) -> Fate {
    let then = held.and_then(|answer| answer.more.get("then")).and_then(|then| then.as_str());
    match (held, then) {
        (Some(answer), Some(then)) if answer.ms < BEFORE.as_millis() as u64 => match then {
            _ if !in_time => Fate::Untold("the policy took longer".into()),
            "answered" => Fate::GoesOn,
            "silent" | "reset" | "closed" | "lost" => Fate::IsCut,
            other => Fate::Untold(other.into()),
        },
        (Some(_), Some(_)) => Fate::Untold("it opened too late".into()),
        (Some(answer), None) => Fate::Untold(answer.to_string()),
        (None, _) => Fate::Untold("nothing was tried".into()),
    }
}

fn echo_requests(before: Option<&Answer>, under: Option<&Answer>, closed: bool) -> Fate {
    match (before, under) {
        (Some(before), _) if before.touch() != Touch::Reached => Fate::Untold(format!("without a policy: {before}")),
        _ if !closed => Fate::Untold("the policy took longer".into()),
        (Some(_), Some(under)) => match under.touch() {
            Touch::Reached => Fate::GoesOn,
            Touch::Stopped => Fate::IsCut,
            Touch::Unclear => Fate::Untold(under.to_string()),
        },
        _ => Fate::Untold("nothing was tried".into()),
    }
}

impl fmt::Display for Outlived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.connection {
            Fate::GoesOn => f.write_str("a connection from before a policy goes on under it")?,
            Fate::IsCut => f.write_str("a connection from before a policy is cut by it")?,
            Fate::Untold(why) => write!(f, "what becomes of a connection from before a policy is not known ({why})")?,
        }
        match &self.echo {
            Fate::GoesOn => f.write_str("; echo requests (ICMP) get through it"),
            Fate::IsCut => f.write_str("; echo requests (ICMP) do not get through it"),
            Fate::Untold(why) => write!(f, "; whether echo requests (ICMP) get through it is not known ({why})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn answer(answer: Value) -> Answer {
        serde_json::from_value(answer).unwrap()
    }

    #[rstest]
    #[case::goes_on(json!({ "result": "open", "ms": 1, "then": "answered" }), true, "goes on under it")]
    #[case::cut(json!({ "result": "open", "ms": 1, "then": "silent" }), true, "is cut by it")]
    #[case::reset(json!({ "result": "open", "ms": 1, "then": "reset" }), true, "is cut by it")]
    #[case::no_policy_yet(json!({ "result": "open", "ms": 1, "then": "answered" }), false, "is not known (the policy took longer)")]
    #[case::late(json!({ "result": "open", "ms": 150, "then": "answered" }), true, "is not known (it opened too late)")]
    #[case::never(json!({ "result": "timeout", "ms": 100 }), true, "is not known (timeout after 100 ms)")]
    fn what_becomes_of_a_connection(#[case] held: Value, #[case] in_time: bool, #[case] expected: &str) {
        let outlived = Outlived { connection: connection(Some(&answer(held)), in_time), echo: Fate::IsCut };
        assert!(outlived.to_string().contains(expected), "{outlived}");
    }

    #[rstest]
    #[case::through(json!({ "result": "answered" }), json!({ "result": "answered" }), "get through it")]
    #[case::not_through(json!({ "result": "answered" }), json!({ "result": "timeout" }), "do not get through it")]
    #[case::no_socket(json!({ "result": "error", "errno": "EACCES" }), json!({ "result": "error", "errno": "EACCES" }), "is not known (without a policy: error (EACCES)")]
    fn what_becomes_of_echo_requests(#[case] before: Value, #[case] under: Value, #[case] expected: &str) {
        let echo = echo_requests(Some(&answer(before)), Some(&answer(under)), true);
        let outlived = Outlived { connection: Fate::IsCut, echo };
        assert!(outlived.to_string().contains(expected), "{outlived}");
    }
}
