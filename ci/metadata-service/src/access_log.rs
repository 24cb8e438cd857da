//! What happened, one JSON line each on stdout.
use std::io::Write;
use std::net::SocketAddr;

use jiff::Timestamp;
use serde::Serialize;

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The service answers from now on.
    Listening {
        /// Where.
        address: SocketAddr,
    },
    /// A TCP connection was accepted: reached, even if no request ever follows.
    Connection {
        /// From where.
        peer: SocketAddr,
        /// Where to: it answers at more than one address.
        address: SocketAddr,
    },
    /// A request was answered.
    Request {
        /// From where.
        peer: SocketAddr,
        /// `GET`.
        method: String,
        /// The path asked for.
        path: String,
        /// The status it got.
        status: u16,
        /// Whether it carried v2's header, wherever it was sent.
        authorized: bool,
        /// Who it says it is.
        user_agent: Option<String>,
    },
}

/// An [`Event`] and when.
#[derive(Debug, Serialize)]
struct Line<'event> {
    /// RFC 3339, UTC, to the millisecond.
    time: String,
    #[serde(flatten)]
    event: &'event Event,
}

/// The line for an event at `time`, without its line break.
pub fn line(time: Timestamp, event: &Event) -> String {
    let line = Line { time: format!("{time:.3}"), event };
    serde_json::to_string(&line).expect("text, numbers and booleans are JSON")
}

/// Prints what happened just now.
pub fn print(event: &Event) {
    // Nobody reading is no reason to stop serving.
    let _ = writeln!(std::io::stdout().lock(), "{}", line(Timestamp::now(), event));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_who_what_and_how_it_ended() {
        let event = Event::Request {
            peer: "10.244.1.7:40112".parse().unwrap(),
            method: "GET".into(),
            path: "/opc/v2/instance/id".into(),
            status: 200,
            authorized: true,
            user_agent: None,
        };
        let time = Timestamp::from_millisecond(1_600_381_928_580).unwrap();
        assert_eq!(
            line(time, &event),
            r#"{"time":"2020-09-17T22:32:08.580Z","event":"request","peer":"10.244.1.7:40112","method":"GET","path":"/opc/v2/instance/id","status":200,"authorized":true,"user_agent":null}"#
        );
    }
}
