//! The machine that the suite runs on, as a place to send packets from: outside the cluster, unless it is one of its pods.
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::probe::Probe;
use crate::probe::batch::{Answer, GREETING, TIMEOUT_MS, Verb};
use crate::probe::exec::{Line, Question};

/// This machine; `None` in a pod, which is no outside.
pub fn here() -> Option<Arc<Probe>> {
    // Kubernetes: "Accessing the API from a Pod".
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return None;
    }
    let now = Instant::now();
    Some(Arc::new(Probe {
        namespace: "outside the cluster".into(),
        pod: String::new(),
        node: "this machine".into(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        others: Vec::new(),
        running_after_ms: 0,
        asked: Default::default(),
        // It has been there all the time: no enforcement has yet to come round to it.
        running_since: now.checked_sub(Duration::from_secs(3600)).unwrap_or(now),
        line: line(),
    }))
}

/// Whether this machine gets a connection to `port` of `to`: where it gets none to anything there, that something is closed says nothing.
pub(crate) async fn connects(to: IpAddr, port: u16) -> bool {
    let connected = TcpStream::connect(SocketAddr::new(to, port));
    matches!(timeout(Duration::from_millis(TIMEOUT_MS.into()), connected).await, Ok(Ok(_)))
}

/// A line to no agent: what this machine itself can try, it tries.
fn line() -> Line {
    let (questions, mut asked) = mpsc::unbounded_channel::<Question>();
    tokio::spawn(async move {
        while let Some(Question { verbs, reply }) = asked.recv().await {
            tokio::spawn(async move { reply.send(Ok(join_all(verbs.into_iter().map(attempt)).await)) });
        }
    });
    Line::of(questions)
}

/// Tries `verb`, a connection to a probe.
async fn attempt(verb: Verb) -> Answer {
    let Verb::Tcp { to, port } = verb else { return answer("invalid", 0, "only TCP is tried from here") };
    let start = Instant::now();
    let ms = || start.elapsed().as_millis() as u64;
    let connected =
        timeout(Duration::from_millis(TIMEOUT_MS.into()), TcpStream::connect(SocketAddr::new(to, port))).await;
    match connected {
        Err(_) => answer("timeout", ms(), ""),
        Ok(Ok(stream)) => {
            let after = ms();
            let (mut stream, mut greeting) = (stream.take(1024), Vec::new());
            let _ = timeout(Duration::from_millis(TIMEOUT_MS.into()), stream.read_to_end(&mut greeting)).await;
            // An address that is a node's in the cluster's network may be anybody's in this one.
            if String::from_utf8_lossy(&greeting).contains(GREETING) {
                answer("open", after, "")
            } else {
                answer("error", after, "who answers there is no probe")
            }
        }
        Ok(Err(error)) => {
            let result = match error.kind() {
                ErrorKind::ConnectionRefused => "refused",
                ErrorKind::TimedOut => "timeout",
                ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "unreachable",
                _ => "error",
            };
            answer(result, ms(), &error.to_string())
        }
    }
}

fn answer(result: &str, ms: u64, why: &str) -> Answer {
    let why = (!why.is_empty()).then_some(why);
    serde_json::from_value(json!({ "result": result, "ms": ms, "why": why })).unwrap_or_else(|_| unreachable!())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::batch::Touch;
    use rstest::rstest;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    #[rstest]
    #[case::a_probe("HTTP/1.1 200 OK\r\n\r\noke-conformance agent x\n", Touch::Reached)]
    #[case::a_stranger("SSH-2.0-OpenSSH\r\n", Touch::Unclear)]
    #[tokio::test]
    async fn only_a_probe_counts_as_reached(#[case] greeting: &'static str, #[case] expected: Touch) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { listener.accept().await.unwrap().0.write_all(greeting.as_bytes()).await });
        let answer = attempt(Verb::Tcp { to: address.ip(), port: address.port() }).await;
        assert_eq!(answer.touch(), expected, "{answer}");
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_is_closed() {
        // Discard: nobody's any more, and no port that another test is given.
        let answer = attempt(Verb::Tcp { to: [127, 0, 0, 1].into(), port: 9 }).await;
        assert_eq!((answer.touch(), answer.result.as_str()), (Touch::Stopped, "refused"));
    }
}
