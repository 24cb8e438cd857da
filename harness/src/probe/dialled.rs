//! Whether the API server reaches the kubelet of a probe's node: an exec is the API server's connection to it, as logs and port-forwards
//! are.
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::Api;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::cluster::facts::KUBELET_PORT;
use crate::probe::Probe;
use crate::probe::pod::into_agent;
use crate::told::chain;

/// The API server gives up connecting after 30 s (k8s.io/client-go, transport: the dialer's own limit).
const TOLD_WITHIN: Duration = Duration::from_secs(40);

/// What became of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialled {
    /// The kubelet served the exec.
    Served,
    /// The API server could not connect; its own words.
    Cut(String),
}

/// Has the agent in `probe` do nothing at all.
///
/// # Errors
/// A sentence where the exec came to another end: nothing is known then.
pub async fn kubelet(client: &Client, probe: &Probe) -> Result<Dialled, String> {
    let broke = |why: String| format!("the exec into {} broke: {why}", probe.pod);
    match timeout(TOLD_WITHIN, exec(client, probe)).await {
        Ok(ended) => ended.and_then(|words| dialled(words.as_deref())).map_err(broke),
        Err(_) => Err(broke(format!("it did not end within {} s", TOLD_WITHIN.as_secs()))),
    }
}

/// The words it failed with, or none.
async fn exec(client: &Client, probe: &Probe) -> Result<Option<String>, String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &probe.namespace);
    let params = into_agent().stdin(true).stderr(false);
    let mut exec = pods.exec(&probe.pod, ["/agent/agent", "session"], &params).await.map_err(|error| chain(&error))?;
    let status = exec.take_status().ok_or("it came without a status")?;
    // A batch without a line is the last.
    let mut stdin = exec.stdin().ok_or("it came without an input")?;
    let _ = stdin.write_all(b"\n").await;
    let _ = stdin.flush().await;
    let status = status.await.ok_or("it ended without a status")?;
    match status.status.as_deref() {
        Some("Success") => Ok(None),
        _ => Ok(Some(status.message.unwrap_or_else(|| "no reason given".into()))),
    }
}

/// The dialer's words are Go's (net: `OpError`), with the kubelet's port.
fn dialled(words: Option<&str>) -> Result<Dialled, String> {
    match words {
        None => Ok(Dialled::Served),
        Some(words) if words.contains("dial tcp ") && words.contains(&format!(":{}: ", KUBELET_PORT)) => {
            Ok(Dialled::Cut(words.into()))
        }
        Some(words) => Err(words.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::served(None, Ok(Dialled::Served))]
    #[case::refused(
        Some("error dialing backend: dial tcp 172.18.0.3:10250: connect: connection refused"),
        Ok(Dialled::Cut("error dialing backend: dial tcp 172.18.0.3:10250: connect: connection refused".into()))
    )]
    #[case::the_agent_died(Some("command terminated with exit code 137"), Err("command terminated with exit code 137".into()))]
    #[case::another_backend(Some("dial tcp 10.0.0.1:443: i/o timeout"), Err("dial tcp 10.0.0.1:443: i/o timeout".into()))]
    fn only_the_dialers_words_are_a_cut(#[case] words: Option<&str>, #[case] expected: Result<Dialled, String>) {
        assert_eq!(dialled(words), expected);
    }
}
