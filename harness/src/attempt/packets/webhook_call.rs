//! The API server's way to webhooks in pods: where it is cut, nothing that they guard can be made any more, or nothing is guarded.
//!
//! Here the forbidden thing is the cut, as in [`crate::attempt::packets::names`]. The webhooks ask for nothing but dry runs of the run's own, in its own
//! namespace. No agent speaks TLS: what the API server says of the failed call tells whether it got as far as an agent.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::attempt::api::ask::{Ask, Resource};
use crate::attempt::packets::service_path::{Front, port};
use crate::cluster::api::{Reply, send};
use crate::cx::Cx;
use crate::probe::Probe;
use crate::probe::pod::NOBODY;
use crate::sandbox::RUN;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// On an idle cluster a new webhook is known within seconds, and so is the Service it is behind.
const REACHED_WITHIN: Duration = Duration::from_secs(20);
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// Seconds that the API server waits for a webhook's answer.
const CALL_S: u32 = 3;
/// Which webhook is asked about an object.
const PLACE: &str = "oke-conformance/webhook";

/// What the API server says of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    /// Somebody was there, who speaks no TLS.
    Reached(String),
    /// Nobody was.
    Cut(String),
    /// There was no call: the webhook is not known yet.
    None,
    Unclear(String),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached(why) => write!(f, "it arrived: {why}"),
            Self::Cut(why) => write!(f, "it did not arrive: {why}"),
            Self::None => f.write_str("its webhook is not asked"),
            Self::Unclear(why) => f.write_str(why),
        }
    }
}

impl Cx {
    /// Whether the API server's calls of webhooks arrive at `port` of each of `probes`.
    ///
    /// # Errors
    /// Inconclusive where the webhooks cannot be made or are not called, or an answer says neither.
    pub async fn webhooks_still_called(&self, probes: &[Arc<Probe>], port: u16) -> Attempted {
        let nobody = probes.first().ok_or_else(|| NoVerdict::inconclusive("no probe to call"))?;
        let mut behind: Vec<_> = probes.iter().map(|probe| (probe.address, port)).collect();
        behind.push((nobody.address, NOBODY));
        let front = self.make_front("webhooks", &behind).await?;
        let sandbox = &self.env.sandbox;
        let webhooks = sandbox.labelled(webhooks(&sandbox.run, &front, behind.len()));
        let webhooks: ValidatingWebhookConfiguration =
            serde_json::from_value(webhooks).map_err(|error| NoVerdict::inconclusive(error.to_string()))?;
        sandbox.make_webhooks(&webhooks).await?;
        let start = Instant::now();
        loop {
            let calls = (0..behind.len()).map(|place| self.call(&front, place));
            let calls = join_all(calls).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            let (last, calls) = calls.split_last().ok_or_else(|| NoVerdict::inconclusive("no call"))?;
            let flowing = matches!(last, Call::Cut(_)) && calls.iter().all(|call| matches!(call, Call::Reached(_)));
            if flowing || start.elapsed() > self.env.traffic.pace().patience(REACHED_WITHIN) {
                return judged(probes, calls, last, start.elapsed());
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    async fn call(&self, front: &Front, place: usize) -> Result<Call, NoVerdict> {
        let name = format!("oke-conformance-webhook-{place}");
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "labels": { PLACE: place.to_string() } } });
        let ask = Ask::create(Resource::core("configmaps"), map).in_namespace(&front.namespace);
        let (reply, _) = send(&self.env.personas.operator, ask.request()?).await;
        Ok(match reply {
            Reply::Accepted { .. } => Call::None,
            Reply::Refused(status) => call(&status.message, place),
            Reply::Broken(why) => Call::Unclear(why),
        })
    }
}

fn webhook(place: usize) -> String {
    format!("webhook-{place}.oke-conformance.invalid")
}

fn webhooks(run: &str, front: &Front, count: usize) -> Value {
    let webhooks = (0..count).map(|place| {
        json!({
            "name": webhook(place),
            "clientConfig": { "service": { "namespace": front.namespace, "name": front.name, "port": port(place), "path": "/" } },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"], "scope": "Namespaced" }],
            "namespaceSelector": { "matchLabels": { RUN: run } },
            "objectSelector": { "matchLabels": { PLACE: place.to_string() } },
            "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": CALL_S, "admissionReviewVersions": ["v1"],
        })
    });
    json!({ "metadata": { "name": format!("oke-conformance-{run}") }, "webhooks": webhooks.collect::<Vec<_>>() })
}

/// The words are Go's (net, net/http, crypto/tls) behind the API server's (apiserver, pkg/admission/plugin/webhook/errors).
fn call(message: &str, place: usize) -> Call {
    let Some((_, why)) = message.split_once(&format!("failed calling webhook {:?}: ", webhook(place))) else {
        return Call::Unclear(message.into());
    };
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&["dial tcp ", "context deadline exceeded"]) {
        Call::Cut(why.into())
    } else if says(&["tls: ", "server gave HTTP response to HTTPS client", ": EOF", "connection reset by peer"]) {
        Call::Reached(why.into())
    } else {
        Call::Unclear(why.into())
    }
}

fn judged(probes: &[Arc<Probe>], calls: &[Call], nobody: &Call, after: Duration) -> Attempted {
    let (mut reached, mut cut, mut unclear) = (Vec::new(), Vec::new(), Vec::new());
    for (probe, call) in probes.iter().zip(calls) {
        match call {
            Call::Reached(why) => reached.push(format!("{probe}: {why}")),
            Call::Cut(why) => cut.push(format!("{probe}: {why}")),
            call @ (Call::None | Call::Unclear(_)) => unclear.push(format!("{probe}: {call}")),
        }
    }
    if !unclear.is_empty() {
        return Err(NoVerdict::inconclusive(unclear.join("; ")));
    }
    if !cut.is_empty() {
        let seconds = after.as_secs();
        return Ok(Verdict::allowed(format!("cut for {seconds} s, from the API server to {}", cut.join("; "))));
    }
    let Call::Cut(why) = nobody else {
        return Err(NoVerdict::inconclusive(format!("no control: a call to where nobody listens: {nobody}")));
    };
    let control = Control::proved(format!("a call to where nobody listens does not arrive: {why}"));
    let evidence = format!("the API server's calls arrive at {}", reached.join("; "));
    Ok(Verdict::denied(Guard::Intact, evidence, control, 0).of_attempts(reached.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::no_tls(
        "failed to call webhook: Post \"https://w.n.svc:1/?timeout=3s\": tls: first record does not look like a TLS handshake",
        "reached"
    )]
    #[case::plain(
        "failed to call webhook: Post \"https://w.n.svc:1/?timeout=3s\": http: server gave HTTP response to HTTPS client",
        "reached"
    )]
    #[case::gone("failed to call webhook: Post \"https://w.n.svc:1/?timeout=3s\": EOF", "reached")]
    #[case::refused(
        "failed to call webhook: Post \"https://w.n.svc:1/?timeout=3s\": dial tcp 10.96.0.9:1: connect: connection refused",
        "cut"
    )]
    #[case::dropped("failed to call webhook: Post \"https://w.n.svc:1/?timeout=3s\": context deadline exceeded", "cut")]
    #[case::no_service(
        "failed to call webhook: Post \"https://w.n.svc:1/?timeout=3s\": service \"w\" not found",
        "unclear"
    )]
    fn what_a_call_came_to(#[case] why: &str, #[case] expected: &str) {
        let message =
            format!("Internal error occurred: failed calling webhook \"webhook-1.oke-conformance.invalid\": {why}");
        let found = match call(&message, 1) {
            Call::Reached(_) => "reached",
            Call::Cut(_) => "cut",
            Call::None => "none",
            Call::Unclear(_) => "unclear",
        };
        assert_eq!(found, expected);
        // Another webhook's trouble says nothing of this one.
        assert!(matches!(call(&message, 2), Call::Unclear(_)));
    }

    #[rstest]
    #[case::arrived(Call::Reached("EOF".into()), "it arrived: EOF")]
    #[case::not_asked(Call::None, "its webhook is not asked")]
    #[case::unclear(Call::Unclear("service \"w\" not found".into()), "service \"w\" not found")]
    fn a_call_that_is_no_control_is_told_in_words(#[case] nobody: Call, #[case] expected: &str) {
        let told = judged(&[], &[], &nobody, Duration::ZERO).unwrap_err().to_string();
        assert_eq!(told, format!("no control: a call to where nobody listens: {expected}"));
    }

    #[test]
    fn webhooks_ask_for_the_runs_own_objects_alone() {
        let front = Front::of("oke-conformance-r1", "webhooks");
        insta::assert_snapshot!(serde_json::to_string_pretty(&webhooks("r1", &front, 1)).unwrap());
    }
}
