//! Asking the API server to admit a pod or a Service, as a server-side dry run: authorization and the whole admission chain decide, nothing
//! is stored.
use std::collections::BTreeSet;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::core::Status;
use serde::Serialize;
use serde_json::{Value, json};

use crate::attempt::api::author::Author;
use crate::attempt::api::contradicted::{self, Answer};
use crate::attempt::api::exempting::Exemption;
use crate::attempt::api::{kept, policies, stored};
use crate::cluster::api::{self, Reply};
use crate::cx::Cx;
use crate::denial::{Denial, Reason, Warned, by_whom};
use crate::env::Env;
use crate::standard::Variant;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// Attempts of one cell that are under way at once.
pub(crate) const AT_ONCE: usize = 16;

/// What the API server is asked to admit.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A pod, into this namespace.
    Namespace(String),
    /// A Service, into this namespace.
    Services(String),
    /// A change, to a Service of a namespace: namespace and Service.
    Service(String, String),
    /// An ephemeral container, into a pod of a namespace: namespace and pod.
    Pod(String, String),
    /// Another image, into a container of a pod of a namespace: namespace and pod.
    Image(String, String),
}

impl Cx {
    /// Attempts to have `forbidden` admitted in [`Cx::namespace`], as the one who deploys there.
    ///
    /// # Errors
    /// Inconclusive where that identity cannot be had.
    pub async fn admission(&self, forbidden: Pod) -> Result<Admission, NoVerdict> {
        let namespace = self.namespace()?;
        Admission::of(&self.env, self.deployer(namespace).await?, namespace, &forbidden)
    }

    /// A namespace of the run's own that nobody has labelled, as any newcomer's is.
    ///
    /// # Errors
    /// Inconclusive where it cannot be made.
    pub async fn newborn_namespace(&self) -> Result<String, NoVerdict> {
        self.env.sandbox.namespace("-newborn", &[]).await.map_err(NoVerdict::Inconclusive)
    }

    /// Attempts to have `forbidden` admitted in `namespace`, as the operator.
    ///
    /// # Errors
    /// Inconclusive where the pod cannot be written down.
    pub fn admission_into(&self, namespace: &str, forbidden: &Pod) -> Result<Admission, NoVerdict> {
        Admission::of(&self.env, Author::himself(self.env.personas.operator.clone()), namespace, forbidden)
    }
}

/// Documents that must not be admitted, each different from an admitted one in what is forbidden.
#[must_use = "name the expected guards with `denied_by`"]
pub struct Admission {
    env: Arc<Env>,
    author: Author,
    place: Target,
    forbidden: Vec<Forbidden>,
}

/// A variant as it is sent: a tree of values takes ten times the room, and thousands wait for their turn.
struct Forbidden {
    what: String,
    named: &'static [&'static str],
    about: &'static str,
    body: String,
}

impl Admission {
    pub(crate) fn of(env: &Arc<Env>, author: Author, namespace: &str, forbidden: &Pod) -> Result<Self, NoVerdict> {
        Ok(Self::of_all(
            env,
            author,
            Target::Namespace(namespace.to_owned()),
            vec![Variant::whole(document(forbidden)?)],
        ))
    }

    pub(crate) fn of_all(env: &Arc<Env>, author: Author, place: Target, forbidden: Vec<Variant>) -> Self {
        let written =
            |Variant { what, named, about, document }| Forbidden { what, named, about, body: document.to_string() };
        Self { env: env.clone(), author, place, forbidden: forbidden.into_iter().map(written).collect() }
    }

    /// The guards whose refusal counts; any other's is inconclusive.
    pub fn denied_by(self, guards: &'static [Guard]) -> Guarded {
        Guarded { admission: self, guards, others: &[], unchanged: None }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_admitting`"]
pub struct Guarded {
    admission: Admission,
    guards: &'static [Guard],
    /// Words of a refusal that is for something else.
    others: &'static [&'static str],
    /// Why no change was tried.
    unchanged: Option<String>,
}

impl Guarded {
    /// A refusal with one of these words, in lower case, is for something else than what is forbidden.
    pub(crate) fn not_because(self, others: &'static [&'static str]) -> Self {
        Self { others, ..self }
    }

    /// No change could be tried, and this is why: a guard that never looks at changes has not shown anything then.
    pub(crate) fn without_changes(self, why: String) -> Self {
        Self { unchanged: Some(why), ..self }
    }

    /// The control: the same pod or Service without the forbidden attribute, which must be admitted at the same moment.
    pub fn while_admitting(self, control: impl Serialize) -> Controlled {
        Controlled { guarded: self, control: document(&control) }
    }

    pub(crate) fn while_admitting_document(self, control: Value) -> Controlled {
        Controlled { guarded: self, control: Ok(control) }
    }
}

/// ... and with its control: ready to be awaited.
#[must_use = "await it"]
pub struct Controlled {
    guarded: Guarded,
    control: Result<Value, NoVerdict>,
}

impl IntoFuture for Controlled {
    type Output = Attempted;
    type IntoFuture = Pin<Box<dyn Future<Output = Attempted> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let author = self.guarded.admission.author.clone();
            author.speaks(self.judge().await)
        })
    }
}

/// What became of the forbidden pods.
#[derive(Default)]
struct Tried {
    admitted: Vec<String>,
    unclear: Vec<String>,
    /// With the place of each among the attempts.
    refused: Vec<(usize, Refusal)>,
    /// Would be stored without what is forbidden, or was made on its way in what the API server does not take.
    harmless: Vec<String>,
    /// Refused by an expected guard, which names something else.
    beside: Vec<String>,
    slowest_ms: u64,
    taken: usize,
}

impl Controlled {
    async fn judge(self) -> Attempted {
        let Self { guarded: Guarded { admission, guards, others, unchanged }, control } = self;
        let Admission { author: Author { persona: author, .. }, place, forbidden, .. } = &admission;
        let admitted = control?;
        let control = admitted.to_string();
        let control = || place.dry_run(&control);
        let attempts = forbidden
            .iter()
            .map(|variant| async move { (variant, contradicted::ask(author, place, &variant.body).await) });
        let attempts: Vec<_> = attempts.collect();
        let tried = async {
            let mut tried = Tried::default();
            let mut answers = stream::iter(attempts).buffered(AT_ONCE);
            while let Some((variant, answer)) = answers.next().await {
                let harmless = |body: &str| {
                    place.harmless(variant.about, serde_json::from_str(&variant.body).ok()?, admitted.clone(), body)
                };
                tried.take(guards, others, variant, answer?, harmless);
            }
            Ok::<_, NoVerdict>(tried)
        };
        let (tried, (before, _)) = tokio::join!(tried, api::send(author, control()?));
        let mut tried = tried?;
        let (who, all) = (&author.name, forbidden.len());
        if !tried.admitted.is_empty() {
            let some = if all == 1 { "it: ".to_owned() } else { format!("{} of {all}: ", tried.admitted.len()) };
            // An older version of a standard, or a milder one, is seen by what it admits.
            let labelled = match place {
                Target::Namespace(namespace) => admission.env.facts.pod_security.get(namespace),
                _ => None,
            };
            let labelled =
                labelled.map(|standard| format!("; the namespace is labelled for {standard}")).unwrap_or_default();
            let all = tried.admitted.join("; ");
            return Ok(Verdict::allowed(format!("{who} may have in {place} {some}{all}{labelled}")));
        }
        // A cluster that has begun to refuse everything meanwhile refuses nothing in particular.
        let after = api::send(author, control()?).await.0;
        for (when, control) in [("", before), (", after the last attempt", after)] {
            match control {
                Reply::Accepted { .. } => {}
                Reply::Broken(why) => return Err(NoVerdict::inconclusive(format!("no control{when}: {why}"))),
                Reply::Refused(status) => {
                    let message = &status.message;
                    let why = format!("no control{when}: {who} may not have even the plain one in {place}: {message}");
                    return Err(NoVerdict::inconclusive(why));
                }
            }
        }
        let control = Control::proved(format!(
            "the same without it was admitted in {place} for {who}, with the first attempts and after the last"
        ));
        tried.settle_beside();
        if !tried.unclear.is_empty() {
            return Err(NoVerdict::inconclusive(tried.unclear.join("; ")));
        }
        let exempt = exempt(&admission, guards, unchanged.as_deref(), &admitted, &tried.refused).await?;
        if !exempt.admitted.is_empty() {
            let some = exempt.admitted.join("; ");
            return Ok(Verdict::allowed(format!("{who} may have in {place} what is refused without it: {some}")));
        }
        let mutated = (!tried.harmless.is_empty()).then(|| {
            let (some, first) = (tried.harmless.len(), &tried.harmless[0]);
            format!("{some} of {all} changed on their way in, by whoever mutates; the first: {first}")
        });
        let by = by_whom(tried.refused.iter().map(|(_, refusal)| &refusal.by));
        let refused = tried.refused.len();
        let (guard, evidence) = match tried.refused.into_iter().next() {
            Some((_, Refusal { guard, said, .. })) if all == 1 => (guard, Some(format!("refused by {by}: {said}"))),
            Some((_, Refusal { guard, said, .. })) => {
                (guard, Some(format!("{refused} of {all} refused by {by}; the first: {said}")))
            }
            None if mutated.is_some() => (Guard::Mutation, None),
            None => return Err(NoVerdict::inconclusive("nothing was attempted")),
        };
        let evidence = evidence.into_iter().chain(mutated).chain(exempt.told).collect::<Vec<_>>().join("; ");
        Ok(Verdict::denied(guard, evidence, control, tried.slowest_ms).of_attempts(all + exempt.refused))
    }
}

/// What became of what was refused once it had what a policy leaves out.
#[derive(Default)]
struct Exempt {
    admitted: Vec<String>,
    refused: usize,
    told: Vec<String>,
}

impl Exempt {
    fn take(
        &mut self,
        how: &impl fmt::Display,
        guards: &[Guard],
        Answer { reply, made, .. }: Answer,
        harmless: impl FnOnce(&str) -> Option<String>,
    ) -> Result<(), NoVerdict> {
        match reply {
            _ if made.is_some() => self.refused += 1,
            Reply::Accepted { body, .. } if harmless(&body).is_some() => self.refused += 1,
            Reply::Accepted { .. } => self.admitted.push(format!("{how}, admitted (dry run)")),
            // Storage comes after admission: nobody who was asked has refused it.
            Reply::Refused(status) if status.reason == "AlreadyExists" => {
                self.admitted.push(format!("{how}, admitted (dry run) but for the one of that name that is there"));
            }
            Reply::Refused(status) => self.refused += usize::from(expected(guards, &[], &status).is_ok()),
            Reply::Broken(why) => return Err(NoVerdict::inconclusive(format!("{how}: {why}"))),
        }
        Ok(())
    }
}

/// Tries, of what each guard has refused first, whatever this guard's own text leaves out.
async fn exempt(
    admission: &Admission,
    guards: &[Guard],
    unchanged: Option<&str>,
    admitted: &Value,
    refused: &[(usize, Refusal)],
) -> Result<Exempt, NoVerdict> {
    let Admission { env, author: Author { persona: author, .. }, place, forbidden } = admission;
    let mut exempt = Exempt::default();
    // What comes into an object that is there has its labels and its name.
    let (Target::Namespace(namespace) | Target::Services(namespace)) = place else { return Ok(exempt) };
    let mut all = Vec::new();
    for (attempt, refusal) in refused {
        all.push((*attempt, refusal, kept::names(env, &refusal.reason).await?));
    }
    // An engine is one guard, and has as many texts as policies.
    let mut asked = BTreeSet::new();
    for (attempt, refusal, quoted) in &all {
        if !asked.insert((&refusal.by, quoted)) {
            continue;
        }
        let kept = kept::specs(env, &refusal.reason).await?;
        let text = policies::text(env, &refusal.reason, &kept, namespace).await?;
        if let Some(why) = unchanged.filter(|_| text.creations_alone) {
            let by = &refusal.by;
            return Err(NoVerdict::inconclusive(format!(
                "{by} looks at creations alone, and no change was tried: {why}"
            )));
        }
        exempt.told.extend(text.open.iter().map(|open| format!("{}: {open}", refusal.by)));
        let of = |attempt: usize| {
            let document: Result<Value, _> = serde_json::from_str(&forbidden[attempt].body);
            document.map_err(|error| NoVerdict::inconclusive(error.to_string()))
        };
        let (body, document) = (&forbidden[*attempt].body, of(*attempt)?);
        // A container's name and image leave out what stands in it.
        let in_it = |(attempt, other, names): &&(usize, &Refusal, Vec<String>)| {
            let same = other.by == refusal.by && names == quoted;
            same && forbidden[*attempt].what.starts_with(Exemption::IN_CONTAINER)
        };
        let in_container =
            all.iter().find(in_it).map(|(attempt, ..)| of(*attempt).map(|document| (*attempt, document)));
        let in_container = in_container.transpose()?;
        for exemption in &text.exemptions {
            let whole = (*attempt, document.clone());
            let (attempt, document) = match exemption {
                Exemption::Container(_) | Exemption::Image(_) => in_container.clone().unwrap_or(whole),
                _ => whole,
            };
            let sent = exemption.given_to(document);
            let answer = contradicted::ask(author, place, &sent.to_string()).await?;
            // What the exemption itself changes is no mutation's.
            let plain = exemption.given_to(admitted.clone());
            let harmless = |body: &str| place.harmless(forbidden[attempt].about, sent, plain, body);
            exempt.take(exemption, guards, answer, harmless)?;
        }
        for account in &text.accounts {
            if let Some(other) = env.personas.service_account(namespace, account).await? {
                let answer = contradicted::ask(&other, place, body).await?;
                let about = forbidden[*attempt].about;
                let harmless = |answer: &str| place.harmless(about, document.clone(), admitted.clone(), answer);
                exempt.take(&format!("asked for by {}", other.name), guards, answer, harmless)?;
            }
        }
    }
    if exempt.refused > 0 {
        exempt.told.push(format!("also refused with each of {} exemptions that its text names", exempt.refused));
    }
    Ok(exempt)
}

impl Tried {
    fn take(
        &mut self,
        guards: &[Guard],
        others: &[&str],
        Forbidden { what, named, .. }: &Forbidden,
        Answer { reply, after_ms, made }: Answer,
        harmless: impl FnOnce(&str) -> Option<String>,
    ) {
        self.taken += 1;
        let told = |said: &str| if what.is_empty() { said.to_owned() } else { format!("{what}: {said}") };
        if let Some(made) = made {
            self.slowest_ms = self.slowest_ms.max(after_ms);
            self.harmless.push(told(&made));
            return;
        }
        match reply {
            Reply::Accepted { warnings, body } => {
                if let Some(stored) = harmless(&body) {
                    self.slowest_ms = self.slowest_ms.max(after_ms);
                    self.harmless.push(told(&stored));
                    return;
                }
                let warned: String = warnings
                    .iter()
                    .map(|Warned { guard, reason }| format!("; {guard} does no more than warn: {reason}"))
                    .collect();
                self.admitted.push(told(&format!("admitted (dry run){warned}")));
            }
            Reply::Broken(why) => self.unclear.push(told(&why)),
            Reply::Refused(status) => match expected(guards, named, &status) {
                // Admission asks quotas last: nobody else has refused it.
                Ok(Refusal { used_up: Some(bounds), by, .. }) => {
                    self.admitted
                        .push(told(&format!("{by} refuses it today, and no longer once one is gone: {bounds}")));
                }
                Ok(refusal) if others.iter().any(|word| refusal.said.to_lowercase().contains(word)) => {
                    self.unclear.push(told(&format!("refused, but for something else: {}", refusal.said)));
                }
                Ok(refusal) => {
                    self.slowest_ms = self.slowest_ms.max(after_ms);
                    self.refused.push((self.taken - 1, Refusal { said: told(&refusal.said), ..refusal }));
                }
                Err(why) if is_beside(guards, named, &status) => self.beside.push(told(&why)),
                Err(why) => self.unclear.push(told(&why)),
            },
        }
    }

    /// What lacks more than one thing is refused for what is left of it where another has been put right on its way in: the guard looks at it
    /// after that, and names all that it finds. Where nothing was seen to be put right, it proves nothing.
    fn settle_beside(&mut self) {
        let beside = std::mem::take(&mut self.beside);
        if self.harmless.is_empty() { self.unclear.extend(beside) } else { self.harmless.extend(beside) }
    }
}

/// A refusal by an expected guard.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) guard: Guard,
    /// Who that is, by name.
    pub(crate) by: String,
    /// In whose words.
    pub(crate) said: String,
    /// What a quota would let through if less of it were in use.
    pub(crate) used_up: Option<String>,
    pub(crate) reason: Reason,
}

/// A refusal, where its guard is one of `guards`, and where Pod Security names one of `named`.
pub(crate) fn expected(guards: &[Guard], named: &[&str], status: &Status) -> Result<Refusal, String> {
    let message = &status.message;
    let Some(Denial { guard, reason }) = Denial::of_status(status) else {
        if message.contains("does not support dry run") {
            return Err(format!(
                "a webhook takes no dry runs (its sideEffects), so nothing was asked of the rest: {message}"
            ));
        }
        return Err(format!("refused, but by no guard that is known (code {}): {message}", status.code));
    };
    if !guards.contains(&guard) {
        let expected = guards.iter().map(|guard| guard.name()).collect::<Vec<_>>().join(", ");
        return Err(format!("refused by {guard}, where {expected} should: {message}"));
    }
    if is_beside(guards, named, status) {
        return Err(format!("refused by {guard}, but not for this: {message}"));
    }
    Ok(Refusal { guard, by: reason.by(), said: message.clone(), used_up: used_up(&reason), reason })
}

/// Whether one of `guards` that names all that it finds has found something, and none of what is `named`.
fn is_beside(guards: &[Guard], named: &[&str], status: &Status) -> bool {
    let Some(Denial { guard, reason: Reason::PodSecurity { fields, .. } }) = Denial::of_status(status) else {
        return false;
    };
    let is_named = named.is_empty() || fields.iter().any(|field| named.contains(&field.name.as_str()));
    guards.contains(&guard) && !is_named
}

/// What of a quota is used up, where none of what is refused is bounded at nought: whoever deletes one may have another.
fn used_up(reason: &Reason) -> Option<String> {
    let Reason::Quota { exceeded, .. } = reason else { return None };
    let closed = exceeded.iter().any(|bound| bound.limited == "0");
    (!closed).then(|| exceeded.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// A refusal with its control made: a denial where one of `guards` said it.
pub(crate) fn refused_by(guards: &[Guard], status: &Status, control: Control, after_ms: u64) -> Attempted {
    let Refusal { guard, said, .. } = expected(guards, &[], status).map_err(NoVerdict::Inconclusive)?;
    Ok(Verdict::denied(guard, said, control, after_ms))
}

pub(crate) fn document(object: &impl Serialize) -> Result<Value, NoVerdict> {
    serde_json::to_value(object)
        .map_err(|error| NoVerdict::inconclusive(format!("cannot write down what is asked for: {error}")))
}

fn create(plural: &str, namespace: &str, document: &str) -> http::Result<Request<Vec<u8>>> {
    Request::post(format!("/api/v1/namespaces/{namespace}/{plural}?dryRun=All"))
        .header("Content-Type", "application/json")
        .body(document.as_bytes().to_vec())
}

fn change(path: &str, patch: &str) -> http::Result<Request<Vec<u8>>> {
    Request::patch(path)
        .header("Content-Type", "application/strategic-merge-patch+json")
        .body(patch.as_bytes().to_vec())
}

impl Target {
    pub(crate) fn dry_run(&self, document: &str) -> Result<Request<Vec<u8>>, NoVerdict> {
        let request = match self {
            Self::Namespace(namespace) => create("pods", namespace, document),
            Self::Services(namespace) => create("services", namespace, document),
            Self::Service(namespace, service) => {
                Request::patch(format!("/api/v1/namespaces/{namespace}/services/{service}?dryRun=All"))
                    .header("Content-Type", "application/merge-patch+json")
                    .body(document.as_bytes().to_vec())
            }
            Self::Pod(namespace, pod) => {
                let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/ephemeralcontainers?dryRun=All");
                change(&path, &format!(r#"{{"spec":{{"ephemeralContainers":[{document}]}}}}"#))
            }
            Self::Image(namespace, pod) => {
                let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}?dryRun=All");
                change(&path, &format!(r#"{{"spec":{{"containers":[{document}]}}}}"#))
            }
        };
        request.map_err(|error| NoVerdict::inconclusive(format!("cannot build the request: {error}")))
    }
}

impl Target {
    /// What would be stored in the stead of what is forbidden, where none of that would be (see [`stored::harmless`]).
    fn harmless(&self, about: &str, sent: Value, admitted: Value, came_back: &str) -> Option<String> {
        let came_back = serde_json::from_str(came_back).ok()?;
        stored::harmless(&self.whole(sent), &self.whole(admitted), about, &came_back)
    }

    /// A document as a part of the object that it is sent to.
    pub(super) fn whole(&self, document: Value) -> Value {
        match self {
            Self::Pod(..) => json!({ "spec": { "ephemeralContainers": [document] } }),
            Self::Image(..) => json!({ "spec": { "containers": [document] } }),
            _ => document,
        }
    }

    /// The document of such an object that is sent.
    pub(super) fn part(&self, mut whole: Value) -> Value {
        match self {
            Self::Pod(..) => whole["spec"]["ephemeralContainers"][0].take(),
            Self::Image(..) => whole["spec"]["containers"][0].take(),
            _ => whole,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(namespace) | Self::Services(namespace) => f.write_str(namespace),
            Self::Service(namespace, service) => write!(f, "{service} of {namespace}"),
            Self::Pod(namespace, _) | Self::Image(namespace, _) => write!(f, "a running pod of {namespace}"),
        }
    }
}
