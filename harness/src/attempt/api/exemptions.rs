//! Namespaces that admit what every other refuses: each is a way round the standards for whoever may create pods there.
use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream;
use http::Request;
use serde_json::Value;

use crate::attempt::api::admission::{Refusal, Target, expected};
use crate::attempt::api::contradicted::{self, Answer};
use crate::attempt::api::stored;
use crate::cluster::api::{self, Reply};
use crate::cluster::facts;
use crate::cx::Cx;
use crate::denial::{Denial, by_whom};
use crate::env::Env;
use crate::standard::{self, Variant};
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// Namespaces that are asked at once.
const AT_ONCE: usize = 16;

impl Cx {
    /// Attempts what each of `controls` forbids first, in every namespace there is, as the operator: whoever looks at one looks at all of them.
    ///
    /// # Errors
    /// Inconclusive where no pod can be had.
    pub fn exemptions(&self, controls: &[&standard::Control]) -> Result<Exemptions<'_>, NoVerdict> {
        let (mut forbidden, mut admitted) = (Vec::new(), Value::Null);
        for control in controls {
            let (all, plain) = self.violations("default", &[control])?;
            forbidden.extend(all.into_iter().next());
            admitted = plain;
        }
        Ok(Exemptions { env: &self.env, scenario: &self.scenario, forbidden, admitted })
    }
}

/// Pods that must be admitted nowhere but where the suite's allow-list says.
#[must_use = "name the expected guards with `denied_by`"]
pub struct Exemptions<'a> {
    pub(crate) env: &'a Env,
    pub(crate) scenario: &'a str,
    pub(crate) forbidden: Vec<Variant>,
    pub(crate) admitted: Value,
}

impl<'a> Exemptions<'a> {
    /// The guards whose refusal counts.
    pub fn denied_by(self, guards: &'static [Guard]) -> GuardedEverywhere<'a> {
        GuardedEverywhere { exemptions: self, guards }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_admitting_the_rest`"]
pub struct GuardedEverywhere<'a> {
    exemptions: Exemptions<'a>,
    guards: &'static [Guard],
}

impl GuardedEverywhere<'_> {
    /// The control: the pod that all of them were made from, which each namespace that refuses must admit at the same moment.
    ///
    /// # Errors
    /// Inconclusive where the namespaces cannot be listed, a control is refused, or an answer is neither.
    pub async fn while_admitting_the_rest(self) -> Attempted {
        let Self { exemptions: Exemptions { env, scenario, forbidden, admitted }, guards } = self;
        let operator = &env.personas.operator;
        let namespaces = facts::namespaces(&operator.client).await?.staying;
        let (forbidden, admitted) = (&forbidden, &admitted);
        let asked = namespaces.keys().map(|name| async move {
            let control = api::send(operator, dry_run(name, admitted)?);
            let attempts = forbidden.iter().map(|variant| async move {
                let place = Target::Namespace(name.clone());
                let answer = contradicted::ask(operator, &place, &placed(name, &variant.document).to_string()).await?;
                Ok::<_, NoVerdict>((variant, answer))
            });
            let (control, attempts) = tokio::join!(control, try_join_all(attempts));
            Ok::<_, NoVerdict>((name, attempts?, control.0))
        });
        let asked: Vec<_> = asked.collect();
        let (mut exempt, mut unclear, mut refused, mut slowest_ms) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let (mut closed, mut mutated) = (Vec::new(), Vec::new());
        let mut answers = stream::iter(asked).buffered(AT_ONCE);
        while let Some(answer) = answers.next().await {
            let (name, attempts, control) = answer?;
            let is_admitted = |(variant, answer): &&(&Variant, Answer)| match &answer.reply {
                Reply::Accepted { body, .. } => harmless(variant, admitted, body).is_none(),
                _ => false,
            };
            if let Some((variant, ..)) = attempts.iter().find(is_admitted) {
                exempt.push((format!("namespace {name}"), &variant.what));
                continue;
            }
            if let Reply::Refused(status) = &control {
                // Where nobody may have any pod, nobody has an exemption either; that this credential may not says nothing of others.
                let all = attempts.iter().all(|(_, answer)| matches!(answer.reply, Reply::Refused(_)));
                let others = |denial: &Denial| !matches!(denial.guard, Guard::Rbac | Guard::Authentication);
                if let Some(Denial { reason, .. }) = Denial::of_status(status).filter(|denial| all && others(denial)) {
                    closed.push(format!("{name} ({reason})"));
                    continue;
                }
                unclear.push(format!("{name}: no control: even the plain pod is refused: {}", status.message));
                continue;
            }
            for (variant, Answer { reply, after_ms, made }) in attempts {
                let refusal = match (reply, &control) {
                    (_, Reply::Accepted { .. }) if made.is_some() => {
                        slowest_ms = slowest_ms.max(after_ms);
                        mutated.extend(made.map(|made| format!("{name}: {made}")));
                        continue;
                    }
                    (Reply::Refused(status), Reply::Accepted { .. }) => expected(guards, variant.named, &status),
                    (Reply::Accepted { body, .. }, Reply::Accepted { .. }) => {
                        slowest_ms = slowest_ms.max(after_ms);
                        mutated.extend(harmless(variant, admitted, &body).map(|stored| format!("{name}: {stored}")));
                        continue;
                    }
                    (Reply::Broken(why), _) => Err(why),
                    (_, Reply::Broken(why)) => Err(format!("no control: {why}")),
                    _ => Err("nothing was asked".to_owned()),
                };
                match refusal {
                    Ok(refusal) => {
                        slowest_ms = slowest_ms.max(after_ms);
                        refused.push(refusal);
                    }
                    Err(why) => unclear.push(format!("{name}: {}: {why}", variant.what)),
                }
            }
        }
        let allowed = env.suite.allowed(scenario);
        let (known, unknown): (Vec<_>, Vec<_>) = exempt.into_iter().partition(|(name, _)| allowed.names(name));
        if !unknown.is_empty() {
            let unknown: Vec<String> = unknown.into_iter().map(|(name, what)| format!("{name} ({what})")).collect();
            return Ok(Verdict::allowed(format!("admitted in {}, which no allow-list names", unknown.join(", "))));
        }
        let known: Vec<String> = known.into_iter().map(|(name, _)| name).collect();
        if !unclear.is_empty() {
            return Err(NoVerdict::inconclusive(unclear.join("; ")));
        }
        let (all, known) = (refused.len(), if known.is_empty() { "none".to_owned() } else { known.join(", ") });
        let by = by_whom(refused.iter().map(|refusal| &refusal.by));
        let attempts = forbidden.len().max(1);
        let namespaces = (all + mutated.len()) / attempts;
        let (guard, mut evidence) = match refused.into_iter().next() {
            Some(Refusal { guard, said, .. }) => (
                guard,
                format!(
                    "{namespaces} namespaces refuse each of {attempts} pods, by {by}; the first: {said}; exempt and allowed by the suite: {known}"
                ),
            ),
            None if !mutated.is_empty() => (
                Guard::Mutation,
                format!(
                    "{namespaces} namespaces take none of {attempts} pods as it is; exempt and allowed by the suite: {known}"
                ),
            ),
            None => {
                let why = format!("no namespace refuses it; exempt and allowed by the suite: {known}");
                return Err(NoVerdict::inconclusive(why));
            }
        };
        if let Some(first) = mutated.first() {
            evidence += &format!("; {} of these pods changed on their way in; the first: {first}", mutated.len());
        }
        if !closed.is_empty() {
            evidence += &format!("; no pod at all is admitted in {}", closed.join(", "));
        }
        let control = Control::proved("the pod that they were made from was admitted in each of these namespaces");
        Ok(Verdict::denied(guard, evidence, control, slowest_ms).of_attempts(all + mutated.len()))
    }
}

/// What would be stored in the stead of a pod, where nothing that is forbidden would be.
fn harmless(variant: &Variant, admitted: &Value, body: &str) -> Option<String> {
    let came_back = serde_json::from_str(body).ok()?;
    stored::harmless(&variant.document, admitted, variant.about, &came_back)
}

fn dry_run(namespace: &str, pod: &Value) -> Result<Request<Vec<u8>>, NoVerdict> {
    Target::Namespace(namespace.to_owned()).dry_run(&placed(namespace, pod).to_string())
}

fn placed(namespace: &str, pod: &Value) -> Value {
    let mut pod = pod.clone();
    pod["metadata"]["namespace"] = namespace.into();
    pod
}
