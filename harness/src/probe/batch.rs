//! What is asked of the agent and what it answers: lines in, JSON lines out (see `harness/agent`).
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

use crate::cluster::named_ports::Port;

/// Time a connection attempt is given, in milliseconds. A dropped packet costs exactly this, once per batch.
pub const TIMEOUT_MS: u32 = 1500;

/// One thing the agent is to try.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Open a TCP connection, and read what the other side says first.
    Tcp {
        /// Where to.
        to: IpAddr,
        /// Port.
        port: u16,
    },
    /// Send a datagram and wait for its echo: without an answer UDP proves nothing.
    Udp {
        /// Where to.
        to: IpAddr,
        /// Port.
        port: u16,
    },
    /// Open a TCP connection to a port that sends back what it is sent, and use it once more after a while.
    Held {
        /// Where to.
        to: IpAddr,
        /// Port.
        port: u16,
        /// After how long, in milliseconds.
        after_ms: u32,
    },
    /// Send an ICMP echo request and wait for its reply.
    Echo {
        /// Where to.
        to: IpAddr,
    },
    /// Send one datagram; whether it arrives is for its receiver to tell.
    Datagram {
        /// Where to.
        to: IpAddr,
        /// Port.
        port: u16,
        /// What.
        content: Vec<u8>,
    },
    /// One HTTP request.
    Http {
        /// Where to.
        to: IpAddr,
        /// Port.
        port: u16,
        /// Path.
        path: &'static str,
        /// Headers, as `Name:value`.
        headers: &'static [&'static str],
    },
    /// One HTTP request whose answer stays in the pod: told is the body's digest, and that of an RSA modulus in it.
    Digest {
        /// Where to.
        to: IpAddr,
        /// Port.
        port: u16,
        /// Path.
        path: &'static str,
        /// Headers, as `Name:value`.
        headers: &'static [&'static str],
    },
    /// Ask a name server for a name's addresses.
    Dns {
        /// The name, without a search list.
        name: String,
        /// Whether for IPv6 addresses, or for IPv4.
        ipv6: bool,
        /// Which server; the pod's own where none is named.
        server: Option<SocketAddr>,
    },
    /// Quote a file.
    Read {
        /// Which.
        path: &'static str,
    },
    /// Say what the kernel grants, as far as /proc does not.
    Facts,
    /// Attempt what the kernel must refuse: one of the agent's acts by name.
    Kernel {
        /// The act.
        act: &'static str,
    },
}

/// How long a datagram's sender listens for its refusal, in milliseconds.
const REFUSED_WITHIN_MS: u32 = 300;

/// The body of an answer that is kept, in bytes. Bodies are evidence of reach, never of content.
const BODY: usize = 64;

/// The most of a file that is quoted, in bytes.
const TEXT: usize = 16 * 1024;

impl Verb {
    /// Where it goes, where it names an address.
    pub(crate) fn to(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp { to, .. }
            | Self::Udp { to, .. }
            | Self::Held { to, .. }
            | Self::Echo { to }
            | Self::Datagram { to, .. }
            | Self::Http { to, .. }
            | Self::Digest { to, .. } => Some(*to),
            _ => None,
        }
    }

    /// Which port it tries, whatever listens there.
    pub(crate) fn port(&self) -> Option<Port> {
        match self {
            Self::Tcp { port, .. } => Some(("tcp", *port)),
            Self::Udp { port, .. } => Some(("udp", *port)),
            _ => None,
        }
    }

    /// Whether trying it once answers everybody who asks at the same moment: not where each time leaves something behind.
    pub(crate) fn can_be_shared(&self) -> bool {
        !matches!(self, Self::Datagram { .. } | Self::Kernel { .. })
    }

    /// As the agent reads it.
    pub fn line(&self, id: usize) -> String {
        self.line_within(id, Duration::from_millis(TIMEOUT_MS.into()))
    }

    /// ... where what is sent is given so long to arrive.
    pub fn line_within(&self, id: usize, within: Duration) -> String {
        let within = within.as_millis();
        match self {
            Self::Tcp { to, port } => format!("{id} tcp {to} {port} {within}"),
            Self::Udp { to, port } => format!("{id} udp {to} {port} oke-conformance-{id} {within}"),
            Self::Held { to, port, after_ms } => format!("{id} held {to} {port} {after_ms} {within}"),
            Self::Echo { to } => format!("{id} echo {to} {within}"),
            Self::Datagram { to, port, content } => {
                let hex: String = content.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{id} datagram {to} {port} {hex} {REFUSED_WITHIN_MS}")
            }
            Self::Http { to, port, path, headers } => {
                format!("{id} http {to} {port} GET {path} {BODY} {within}{}", words(headers))
            }
            Self::Digest { to, port, path, headers } => {
                format!("{id} http {to} {port} GET {path} digest {within}{}", words(headers))
            }
            Self::Dns { name, ipv6, server } => {
                let kind = if *ipv6 { "aaaa" } else { "a" };
                let server = server.map_or("-".to_owned(), |server| format!("{}#{}", server.ip(), server.port()));
                format!("{id} dns {name} {kind} {server} {within}")
            }
            Self::Read { path } => format!("{id} read {path} {TEXT}"),
            Self::Facts => format!("{id} facts"),
            Self::Kernel { act } => format!("{id} kernel {act}"),
        }
    }
}

/// Headers as words of a line, each behind its space.
fn words(headers: &[&str]) -> String {
    headers.iter().map(|header| format!(" {}", header.replace('%', "%25").replace(' ', "%20"))).collect()
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { to, port } => write!(f, "tcp {}", Socket(*to, *port)),
            Self::Udp { to, port } => write!(f, "udp {}", Socket(*to, *port)),
            Self::Held { to, port, .. } => write!(f, "a connection to {} that is kept", Socket(*to, *port)),
            Self::Echo { to } => write!(f, "an echo request to {to}"),
            Self::Datagram { to, port, .. } => write!(f, "a datagram to {}", Socket(*to, *port)),
            Self::Http { to, port, path, .. } | Self::Digest { to, port, path, .. } => {
                write!(f, "GET http://{}{path}", Socket(*to, *port))
            }
            Self::Dns { name, server: Some(server), .. } => write!(f, "dns {name} at {server}"),
            Self::Dns { name, server: None, .. } => write!(f, "dns {name}"),
            Self::Read { path } => write!(f, "read {path}"),
            Self::Facts => f.write_str("facts"),
            Self::Kernel { act } => f.write_str(act),
        }
    }
}

struct Socket(IpAddr, u16);

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::net::SocketAddr::new(self.0, self.1).fmt(f)
    }
}

/// What the agent says of one verb.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// The line's number.
    pub id: Option<usize>,
    /// `open`, `answered`, `refused`, `timeout`, `unreachable`, `reset`, `error`, `invalid`, `malformed`.
    #[serde(default)]
    pub result: String,
    /// The kernel's name for what happened.
    #[serde(default)]
    pub errno: Option<String>,
    /// Milliseconds from the start of the attempt.
    #[serde(default)]
    pub ms: u64,
    /// HTTP status.
    #[serde(default)]
    pub status: Option<u16>,
    /// Whether an HTTP attempt got as far as a connection.
    #[serde(default)]
    pub connected: Option<bool>,
    /// Why a line was invalid.
    #[serde(default)]
    pub why: Option<String>,
    /// What only this verb tells.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// What an answer proves about the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// The other side was reached.
    Reached,
    /// Packets were dropped or rejected.
    Stopped,
    /// Neither: an argument was wrong, a socket was missing.
    Unclear,
}

impl Answer {
    /// Whether the path was open.
    pub fn touch(&self) -> Touch {
        // A server that is connected to and then silent, cuts off or talks nonsense has been reached all the same.
        if self.connected == Some(true) {
            return Touch::Reached;
        }
        match self.result.as_str() {
            "open" | "answered" | "malformed" => Touch::Reached,
            "refused" | "timeout" | "unreachable" => Touch::Stopped,
            _ => Touch::Unclear,
        }
    }
}

/// What a probe greets with (harness/agent, serve).
pub(crate) const GREETING: &str = "oke-conformance agent";

impl Answer {
    /// As [`Answer::touch`] for a connection to a probe. Whoever takes the connection and does not greet as probes do stands in between, as a
    /// mesh's proxy does: if it hangs up, it has not got through to the probe either; if it stays silent, it may yet.
    pub(crate) fn touch_of_probe(&self) -> Touch {
        let text = |key: &str| self.more.get(key).and_then(serde_json::Value::as_str);
        match (self.result.as_str(), text("banner"), text("then")) {
            ("open", Some(banner), _) if banner.contains(GREETING) => Touch::Reached,
            ("open", None, Some("closed" | "reset")) => Touch::Stopped,
            ("open", ..) => Touch::Unclear,
            _ => self.touch(),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.result)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        if let Some(detail) = self.errno.as_ref().or(self.why.as_ref()) {
            write!(f, " ({detail})")?;
        }
        write!(f, " after {} ms", self.ms)
    }
}

/// Reads the agent's output: one answer for each of `asked` lines, in their order.
///
/// # Errors
/// A sentence where an answer is missing or cannot be read: an exec that broke proves nothing.
pub fn answers(output: &str, asked: usize) -> Result<Vec<Answer>, String> {
    let mut answers: Vec<Option<Answer>> = vec![None; asked];
    for line in output.lines().filter(|line| !line.is_empty() && !line.starts_with("{\"done\"")) {
        let answer: Answer = serde_json::from_str(line)
            .map_err(|error| format!("the agent answered what is not an answer ({error}): {line:.100}"))?;
        if let Some(slot) = answer.id.and_then(|id| answers.get_mut(id)) {
            *slot = Some(answer);
        }
    }
    let answered = answers.iter().flatten().count();
    let answers: Option<Vec<Answer>> = answers.into_iter().collect();
    answers.ok_or_else(|| format!("the agent answered {answered} of {asked} lines"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("open", Touch::Reached)]
    #[case("answered", Touch::Reached)]
    #[case("refused", Touch::Stopped)]
    #[case("timeout", Touch::Stopped)]
    #[case("unreachable", Touch::Stopped)]
    #[case("reset", Touch::Unclear)]
    #[case("error", Touch::Unclear)]
    #[case("invalid", Touch::Unclear)]
    #[case("", Touch::Unclear)]
    fn only_packets_that_did_not_get_through_are_stopped(#[case] result: &str, #[case] expected: Touch) {
        let output = format!("{{\"id\":0,\"result\":\"{result}\"}}\n{{\"done\":1}}\n");
        assert_eq!(answers(&output, 1).unwrap()[0].touch(), expected);
    }

    #[rstest]
    #[case::a_probe(
        r#"{"id":0,"result":"open","banner":"HTTP/1.1 200 OK\r\n\r\noke-conformance agent p\n"}"#,
        Touch::Reached
    )]
    #[case::a_proxy_that_hangs_up(r#"{"id":0,"result":"open","then":"closed"}"#, Touch::Stopped)]
    #[case::a_proxy_that_breaks_off(r#"{"id":0,"result":"open","then":"reset"}"#, Touch::Stopped)]
    #[case::somebody_silent(r#"{"id":0,"result":"open"}"#, Touch::Unclear)]
    #[case::somebody_else(r#"{"id":0,"result":"open","banner":"SSH-2.0-OpenSSH"}"#, Touch::Unclear)]
    #[case::nobody(r#"{"id":0,"result":"timeout"}"#, Touch::Stopped)]
    fn a_probe_is_reached_where_it_greets(#[case] output: &str, #[case] expected: Touch) {
        assert_eq!(answers(output, 1).unwrap()[0].touch_of_probe(), expected);
    }

    #[test]
    fn a_server_that_connects_and_then_says_nothing_has_been_reached() {
        let output = "{\"id\":0,\"result\":\"timeout\",\"connected\":true}\n{\"id\":1,\"result\":\"timeout\",\"connected\":false}\n";
        let touches: Vec<Touch> = answers(output, 2).unwrap().iter().map(Answer::touch).collect();
        assert_eq!(touches, [Touch::Reached, Touch::Stopped]);
    }

    #[rstest]
    #[case::nothing("", "the agent answered 0 of 2 lines")]
    #[case::cut_short("{\"id\":1,\"result\":\"open\"}\n", "the agent answered 1 of 2 lines")]
    #[case::noise(
        "segfault\n",
        "the agent answered what is not an answer (expected value at line 1 column 1): segfault"
    )]
    fn a_broken_exec_is_no_answer(#[case] output: &str, #[case] why: &str) {
        assert_eq!(answers(output, 2).unwrap_err(), why);
    }

    #[test]
    fn answers_return_in_the_order_they_were_asked() {
        let output = "{\"id\":1,\"result\":\"open\",\"ms\":2}\n{\"id\":0,\"result\":\"timeout\",\"ms\":1500}\n";
        let results: Vec<String> = answers(output, 2).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(results, ["timeout after 1500 ms", "open after 2 ms"]);
    }

    #[rstest]
    #[case(Verb::Tcp { to: "10.0.0.1".parse().unwrap(), port: 80 }, "0 tcp 10.0.0.1 80 1500", "tcp 10.0.0.1:80")]
    #[case(Verb::Udp { to: "fd00::1".parse().unwrap(), port: 53 }, "0 udp fd00::1 53 oke-conformance-0 1500", "udp [fd00::1]:53")]
    #[case(Verb::Held { to: "10.0.0.1".parse().unwrap(), port: 80, after_ms: 900 }, "0 held 10.0.0.1 80 900 1500", "a connection to 10.0.0.1:80 that is kept")]
    #[case(Verb::Echo { to: "10.0.0.1".parse().unwrap() }, "0 echo 10.0.0.1 1500", "an echo request to 10.0.0.1")]
    #[case(Verb::Datagram { to: "10.0.0.1".parse().unwrap(), port: 9, content: vec![8, 255] }, "0 datagram 10.0.0.1 9 08ff 300", "a datagram to 10.0.0.1:9")]
    #[case(
        Verb::Http { to: "10.0.0.1".parse().unwrap(), port: 80, path: "/x", headers: &["A:b c"] },
        "0 http 10.0.0.1 80 GET /x 64 1500 A:b%20c",
        "GET http://10.0.0.1:80/x"
    )]
    #[case(
        Verb::Digest { to: "10.0.0.1".parse().unwrap(), port: 80, path: "/x", headers: &[] },
        "0 http 10.0.0.1 80 GET /x digest 1500",
        "GET http://10.0.0.1:80/x"
    )]
    #[case(Verb::Dns { name: "a.b".into(), ipv6: false, server: None }, "0 dns a.b a - 1500", "dns a.b")]
    #[case(Verb::Dns { name: "a.b".into(), ipv6: true, server: "10.0.0.1:53".parse().ok() }, "0 dns a.b aaaa 10.0.0.1#53 1500", "dns a.b at 10.0.0.1:53")]
    #[case(Verb::Kernel { act: "chroot" }, "0 kernel chroot", "chroot")]
    #[case(Verb::Facts, "0 facts", "facts")]
    #[case(Verb::Read { path: "/proc/1/status" }, "0 read /proc/1/status 16384", "read /proc/1/status")]
    fn verbs_are_lines(#[case] verb: Verb, #[case] line: &str, #[case] shown: &str) {
        assert_eq!((verb.line(0).as_str(), verb.to_string().as_str()), (line, shown));
    }
}
