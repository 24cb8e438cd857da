//! Asking a node's kubelet, without a credential, for what it should tell the API server alone.
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::join_all;
use kube::Client;
use tokio::sync::Semaphore;

pub use crate::cluster::facts::KUBELET_PORT as PORT;
use crate::cx::Cx;
use crate::denial::Denial;
use crate::probe::Probe;
use crate::probe::https::{self, Asked, Said};
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// Each request is an exec of its own, and a probe's memory has room for so many (see [`crate::probe::exec`]).
const EXECS_AT_ONCE: usize = 2;

impl Cx {
    /// Asks the kubelet of `probe`'s node for `paths`, from `probe` and without a credential.
    pub fn kubelet_of(&self, probe: &Arc<Probe>, paths: &'static [&'static str]) -> Kubelet {
        let client = self.env.personas.operator.client.clone();
        Kubelet { client, probe: probe.clone(), addresses: self.addresses_of(&probe.node), paths }
    }
}

/// Requests to the kubelet of a probe's own node, which no security list stands before.
#[must_use = "name the expected guards with `refused_by`"]
pub struct Kubelet {
    pub(crate) client: Client,
    pub(crate) probe: Arc<Probe>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) paths: &'static [&'static str],
}

impl Kubelet {
    /// The guards whose refusal counts.
    pub fn refused_by(self, guards: &'static [Guard]) -> Guarded {
        Guarded { kubelet: self, guards }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_it_serves_the_api_server`"]
pub struct Guarded {
    kubelet: Kubelet,
    guards: &'static [Guard],
}

/// What a kubelet made of a request.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Refused(Guard),
    Served,
    Unclear,
}

impl Guarded {
    /// The control: each request travels through an exec into the probe, which this same kubelet serves to the API server, for that has a
    /// credential. So it is alive, and answers those who may ask.
    ///
    /// # Errors
    /// Inconclusive where an exec broke, or an answer is neither an expected guard's refusal nor what was asked for.
    pub async fn while_it_serves_the_api_server(self) -> Attempted {
        let Self { kubelet: Kubelet { client, probe, addresses, paths }, guards } = self;
        let asks = addresses.iter().flat_map(|to| paths.iter().map(|path| (SocketAddr::new(*to, PORT), *path)));
        let asks: Vec<_> = asks.collect();
        let turns = Semaphore::new(EXECS_AT_ONCE);
        let answers = join_all(asks.iter().map(|(to, path)| async {
            let _turn = turns.acquire().await;
            https::get(&client, &probe, *to, path).await
        }))
        .await;
        let (mut served, mut unclear, mut refused, mut hidden) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut slowest_ms = 0;
        for ((to, path), asked) in asks.iter().zip(answers) {
            let asked = asked.map_err(|why| NoVerdict::inconclusive(format!("no control: {why}")))?;
            let told = format!("GET https://{to}{path} from {probe}: {}", Told(&asked));
            match heard(&asked) {
                Heard::Served => served.push(told),
                Heard::Refused(Guard::Network) => hidden.push(told),
                Heard::Refused(guard) if guards.contains(&guard) => {
                    slowest_ms = slowest_ms.max(asked.0.ms);
                    refused.push((guard, told));
                }
                _ => unclear.push(told),
            }
        }
        if !served.is_empty() {
            return Ok(Verdict::allowed(served.join("; ")));
        }
        if !unclear.is_empty() {
            return Err(NoVerdict::inconclusive(unclear.join("; ")));
        }
        if !hidden.is_empty() {
            // Whoever is not asked refuses nobody: from another place it may answer.
            return Err(NoVerdict::not_applicable(format!(
                "no pod gets as far as the kubelet of its own node, and what it answers to others is not known: {}",
                hidden.join("; ")
            )));
        }
        let Some((guard, _)) = refused.first() else {
            return Err(NoVerdict::inconclusive(format!("{} has no address", probe.node)));
        };
        let evidence = refused.iter().map(|(_, told)| told.as_str()).collect::<Vec<_>>().join("; ");
        let control = format!("the same kubelet served the execs of these {} requests to the API server", asks.len());
        let verdict = Verdict::denied(*guard, evidence, Control::proved(control), slowest_ms);
        Ok(verdict.of_attempts(asks.len()))
    }
}

/// The words are the kubelet's (kubernetes, pkg/kubelet/server: `InstallAuthFilter`): a status alone might be anybody's.
fn heard((answer, said): &Asked) -> Heard {
    match said {
        None => Denial::of_answer(answer).map_or(Heard::Unclear, |denial| Heard::Refused(denial.guard)),
        Some(Ok(Said { status: 200, .. })) => Heard::Served,
        Some(Ok(Said { status: 401, body })) if body.starts_with("Unauthorized") => {
            Heard::Refused(Guard::Authentication)
        }
        // Nobody in particular, and so without rights: as good as not being let in.
        Some(Ok(Said { status: 403, body })) if body.starts_with("Forbidden (user=system:anonymous, ") => {
            Heard::Refused(Guard::Rbac)
        }
        Some(_) => Heard::Unclear,
    }
}

struct Told<'a>(&'a Asked);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            (answer, None) => answer.fmt(f),
            // What it serves is evidence of reach, never of content.
            (_, Some(Ok(Said { status: 200, .. }))) => f.write_str("200"),
            (_, Some(Ok(Said { status, body }))) => write!(f, "{status} {:.120}", body.trim()),
            (_, Some(Err(why))) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::no_credential(401, "Unauthorized", Heard::Refused(Guard::Authentication))]
    #[case::no_rights(
        403,
        "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource(s)=[pods proxy])\n",
        Heard::Refused(Guard::Rbac)
    )]
    #[case::served(200, "{\"kind\":\"PodList\"}", Heard::Served)]
    #[case::somebody_elses_401(401, "<html>", Heard::Unclear)]
    #[case::somebody_elses_403(403, "Forbidden", Heard::Unclear)]
    #[case::it_could_not_ask(500, "Authorization error (user=system:anonymous, ...)", Heard::Unclear)]
    #[case::not_there(404, "404 page not found", Heard::Unclear)]
    fn whose_answer_it_is(#[case] status: u16, #[case] body: &str, #[case] expected: Heard) {
        let answer = serde_json::from_value(serde_json::json!({ "result": "open" })).unwrap();
        assert_eq!(heard(&(answer, Some(Ok(Said { status, body: body.into() })))), expected);
    }

    #[rstest]
    #[case("refused", Heard::Refused(Guard::Network))]
    #[case("timeout", Heard::Refused(Guard::Network))]
    #[case("error", Heard::Unclear)]
    fn packets_that_do_not_arrive(#[case] result: &str, #[case] expected: Heard) {
        let answer = serde_json::from_value(serde_json::json!({ "result": result })).unwrap();
        assert_eq!(heard(&(answer, None)), expected);
    }

    #[test]
    fn a_connection_without_an_answer_is_none() {
        let answer = serde_json::from_value(serde_json::json!({ "result": "open" })).unwrap();
        assert_eq!(heard(&(answer, Some(Err("no TLS: eof".into())))), Heard::Unclear);
    }
}
