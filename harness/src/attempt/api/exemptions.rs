//! Namespaces that admit what every other refuses: each is a way round the standards for whoever may create pods there.
use futures::StreamExt;
use futures::stream;
use http::Request;
use k8s_openapi::api::core::v1::Pod;

use crate::attempt::api::admission::{Refusal, Target, expected};
use crate::cluster::api::{self, Reply};
use crate::cluster::facts;
use crate::cx::Cx;
use crate::denial::by_whom;
use crate::env::Env;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// Namespaces that are asked at once.
const AT_ONCE: usize = 16;

impl Cx {
    /// Attempts to have `forbidden` admitted in every namespace there is, as the operator.
    ///
    /// # Errors
    /// Inconclusive where the namespaces cannot be listed.
    pub fn exemptions(&self, forbidden: Pod) -> Exemptions<'_> {
        Exemptions { env: &self.env, scenario: &self.scenario, forbidden }
    }
}

/// A pod that must be admitted nowhere but where the suite's allow-list says.
#[must_use = "name the expected guards with `denied_by`"]
pub struct Exemptions<'a> {
    pub(crate) env: &'a Env,
    pub(crate) scenario: &'a str,
    pub(crate) forbidden: Pod,
}

impl<'a> Exemptions<'a> {
    /// The guards whose refusal counts.
    pub fn denied_by(self, guards: &'static [Guard]) -> GuardedEverywhere<'a> {
        GuardedEverywhere { exemptions: self, guards }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_admitting`"]
pub struct GuardedEverywhere<'a> {
    exemptions: Exemptions<'a>,
    guards: &'static [Guard],
}

impl GuardedEverywhere<'_> {
    /// The control: the same pod without the forbidden attribute, which each namespace that refuses must admit at the same moment.
    ///
    /// # Errors
    /// Inconclusive where the namespaces cannot be listed, a control is refused, or an answer is neither.
    pub async fn while_admitting(self, control: Pod) -> Attempted {
        let Self { exemptions: Exemptions { env, scenario, forbidden }, guards } = self;
        let operator = &env.personas.operator;
        let namespaces = facts::namespaces(&operator.client).await?;
        let requests =
            namespaces.into_keys().map(|name| Ok((dry_run(&name, &forbidden)?, dry_run(&name, &control)?, name)));
        let requests = requests.collect::<Result<Vec<_>, NoVerdict>>()?;
        let asked = requests.into_iter().map(|(attempt, control, name)| async move {
            let (attempt, control) = tokio::join!(api::send(operator, attempt), api::send(operator, control));
            (name, attempt, control.0)
        });
        let asked: Vec<_> = asked.collect();
        let (mut exempt, mut unclear, mut refused, mut slowest_ms) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let mut answers = stream::iter(asked).buffered(AT_ONCE);
        while let Some((name, (attempt, after_ms), control)) = answers.next().await {
            match (attempt, control) {
                (Reply::Accepted { .. }, _) => exempt.push(format!("namespace {name}")),
                (Reply::Broken(why), _) | (Reply::Refused(_), Reply::Broken(why)) => {
                    unclear.push(format!("{name}: {why}"))
                }
                (Reply::Refused(_), Reply::Refused(status)) => {
                    unclear.push(format!("{name}: no control: even the plain pod is refused: {}", status.message));
                }
                (Reply::Refused(status), Reply::Accepted { .. }) => match expected(guards, &[], &status) {
                    Ok(refusal) => {
                        slowest_ms = slowest_ms.max(after_ms);
                        refused.push(refusal);
                    }
                    Err(why) => unclear.push(format!("{name}: {why}")),
                },
            }
        }
        let allowed = env.suite.allowed(scenario);
        let (known, unknown): (Vec<String>, Vec<String>) = exempt.into_iter().partition(|name| allowed.names(name));
        if !unknown.is_empty() {
            return Ok(Verdict::allowed(format!("admitted in {}, which no allow-list names", unknown.join(", "))));
        }
        if !unclear.is_empty() {
            return Err(NoVerdict::inconclusive(unclear.join("; ")));
        }
        let (all, known) = (refused.len(), if known.is_empty() { "none".to_owned() } else { known.join(", ") });
        let by = by_whom(refused.iter().map(|refusal| &refusal.by));
        let Some(Refusal { guard, said, .. }) = refused.into_iter().next() else {
            return Err(NoVerdict::inconclusive(format!(
                "no namespace refuses it; exempt and allowed by the suite: {known}"
            )));
        };
        let evidence =
            format!("{all} namespaces refuse it, by {by}; the first: {said}; exempt and allowed by the suite: {known}");
        let control =
            Control::proved(format!("the same pod without it was admitted in each of these {all} namespaces"));
        Ok(Verdict::denied(guard, evidence, control, slowest_ms).of_attempts(all))
    }
}

fn dry_run(namespace: &str, pod: &Pod) -> Result<Request<Vec<u8>>, NoVerdict> {
    let mut pod = pod.clone();
    pod.metadata.namespace = Some(namespace.to_owned());
    let pod = serde_json::to_string(&pod).map_err(|error| NoVerdict::inconclusive(error.to_string()))?;
    Target::Namespace(namespace.to_owned()).dry_run(&pod)
}
