//! A connection from inside a probe, for protocols that are too large for the agent: it carries bytes, and whoever opened it speaks.
use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, AttachedProcess};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader};
use tokio::time::timeout;

use crate::probe::Probe;
use crate::probe::batch::{Answer, Touch};
use crate::probe::pod::into_agent;
use crate::told::chain;

/// Milliseconds for the whole of a conversation; the agent hangs up then.
pub const WITHIN_MS: u32 = 10_000;
/// An exec that has not said by then how connecting went is broken.
const TOLD_WITHIN: Duration = Duration::from_millis(WITHIN_MS as u64 + 10_000);
const PIPE: usize = 64 * 1024;

/// Bytes to and from a peer, as the probe's pod sends and hears them. The exec ends with it.
pub struct Relay {
    /// What is said and heard.
    pub stream: Box<dyn Stream>,
    _exec: AttachedProcess,
}

/// Both directions at once.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens a connection from `probe`; how that went, and the connection where there is one.
///
/// # Errors
/// A sentence where the exec broke: nothing was proved then.
pub async fn open(client: &Client, probe: &Probe, to: SocketAddr) -> Result<(Answer, Option<Relay>), String> {
    let opened = timeout(TOLD_WITHIN, exec(client, probe, to)).await;
    let opened = opened.unwrap_or_else(|_| Err(format!("no word within {} s", TOLD_WITHIN.as_secs())));
    opened.map_err(|why| format!("the exec into {} broke: {why}", probe.pod))
}

async fn exec(client: &Client, probe: &Probe, to: SocketAddr) -> Result<(Answer, Option<Relay>), String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &probe.namespace);
    let params = into_agent().stdin(true).max_stdin_buf_size(PIPE).max_stdout_buf_size(PIPE);
    let (address, port, within) = (to.ip().to_string(), to.port().to_string(), WITHIN_MS.to_string());
    let command = ["/agent/agent", "relay", &address, &port, &within];
    let mut exec = pods.exec(&probe.pod, command, &params).await.map_err(|error| chain(&error))?;
    let (Some(stdin), Some(stdout), Some(stderr)) = (exec.stdin(), exec.stdout(), exec.stderr()) else {
        return Err("the exec came without its streams".into());
    };
    let mut line = String::new();
    let mut told = BufReader::new(stderr).take(PIPE as u64);
    told.read_line(&mut line).await.map_err(|error| format!("cannot read from the agent: {error}"))?;
    let answer: Answer = serde_json::from_str(&line)
        .map_err(|error| format!("the agent answered what is not an answer ({error}): {:.100}", line.trim()))?;
    let open = answer.touch() == Touch::Reached;
    let relay = open.then(|| Relay { stream: Box::new(tokio::io::join(stdout, stdin)), _exec: exec });
    Ok((answer, relay))
}
