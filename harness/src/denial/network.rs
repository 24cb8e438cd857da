//! Packets that did not arrive.
use std::fmt;

use serde::Serialize;

use super::{Denial, Reason};
use crate::probe::batch::Answer;

/// What became of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// No answer at all.
    Dropped,
    /// Refused: a reset of the attempt, or ICMP.
    Rejected,
    /// Cut off before the other side was reached.
    Reset,
    /// There is no way there.
    NoRoute,
    /// The name is refused by the resolver.
    Dns,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dropped => "packets are dropped",
            Self::Rejected => "packets are rejected",
            Self::Reset => "the connection is reset",
            Self::NoRoute => "there is no route",
            Self::Dns => "the resolver refuses the name",
        })
    }
}

/// DNS `REFUSED`. `NXDOMAIN` is about the name, `SERVFAIL` about the server.
const REFUSED: u8 = 5;

impl Denial {
    /// What the agent met, where packets did not get through. A path without a listener looks the same: the control tells.
    pub fn of_answer(answer: &Answer) -> Option<Self> {
        // Whoever was connected to has been reached, whatever came of it.
        if answer.connected == Some(true) || answer.status.is_some() {
            return None;
        }
        let how = match (answer.result.as_str(), answer.errno.as_deref()) {
            ("timeout", _) => Stopped::Dropped,
            ("refused", _) => Stopped::Rejected,
            ("unreachable", Some("ENETUNREACH")) => Stopped::NoRoute,
            ("unreachable", _) => Stopped::Rejected,
            ("reset", _) => Stopped::Reset,
            _ => return None,
        };
        Some(Reason::Network { how }.into())
    }

    /// A resolver's response code.
    pub fn of_dns(rcode: u8) -> Option<Self> {
        (rcode == REFUSED).then(|| Reason::Network { how: Stopped::Dns }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::dropped(r#"{"result":"timeout"}"#, Some(Stopped::Dropped))]
    #[case::port_closed(r#"{"result":"refused","errno":"ECONNREFUSED"}"#, Some(Stopped::Rejected))]
    #[case::icmp(r#"{"result":"unreachable","errno":"EHOSTUNREACH"}"#, Some(Stopped::Rejected))]
    #[case::no_route(r#"{"result":"unreachable","errno":"ENETUNREACH"}"#, Some(Stopped::NoRoute))]
    #[case::reset(r#"{"result":"reset","errno":"ECONNRESET","connected":false}"#, Some(Stopped::Reset))]
    #[case::silent_server(r#"{"result":"timeout","connected":true}"#, None)]
    #[case::server_hangs_up(r#"{"result":"reset","connected":true}"#, None)]
    #[case::open(r#"{"result":"open"}"#, None)]
    #[case::answered(r#"{"result":"answered","status":403}"#, None)]
    #[case::no_socket(r#"{"result":"error","errno":"EACCES"}"#, None)]
    #[case::invalid(r#"{"result":"invalid"}"#, None)]
    fn what_the_agent_met(#[case] answer: &str, #[case] expected: Option<Stopped>) {
        let answer: Answer = serde_json::from_str(answer).unwrap();
        assert_eq!(Denial::of_answer(&answer), expected.map(|how| Reason::Network { how }.into()));
    }

    #[rstest]
    #[case::refused(5, true)]
    #[case::no_such_name(3, false)]
    #[case::server_failed(2, false)]
    fn what_the_resolver_said(#[case] rcode: u8, #[case] refusal: bool) {
        assert_eq!(Denial::of_dns(rcode).is_some(), refusal);
    }
}
