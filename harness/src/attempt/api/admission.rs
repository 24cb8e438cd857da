//! Asking the API server to admit a pod or a Service, as a server-side dry run: authorization and the whole admission chain decide, nothing
//! is stored.
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use futures::StreamExt;
use futures::stream;
use http::Request;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::core::Status;
use serde::Serialize;
use serde_json::Value;

use crate::cluster::api::{self, Reply};
use crate::cluster::persona::Persona;
use crate::cx::Cx;
use crate::denial::{Denial, Reason, Warned, by_whom};
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
    /// An ephemeral container, into a pod of a namespace: namespace and pod.
    Pod(String, String),
}

impl Cx {
    /// Attempts to have `forbidden` admitted in [`Cx::namespace`], as the one who deploys there.
    ///
    /// # Errors
    /// Inconclusive where that identity cannot be had.
    pub async fn admission(&self, forbidden: Pod) -> Result<Admission, NoVerdict> {
        let namespace = self.namespace()?;
        Admission::of(self.deployer(namespace).await?, namespace, &forbidden)
    }

    /// Attempts to have each of the Services `forbidden` admitted in [`Cx::namespace`], as the one who deploys there; what is forbidden
    /// about each is for the reader.
    ///
    /// # Errors
    /// Inconclusive where that identity cannot be had.
    pub async fn service_admission(&self, forbidden: Vec<(&str, Service)>) -> Result<Admission, NoVerdict> {
        let namespace = self.namespace()?;
        let variants = forbidden
            .into_iter()
            .map(|(what, service)| Ok(Variant { what: what.to_owned(), named: &[], document: document(&service)? }));
        let variants = variants.collect::<Result<_, NoVerdict>>()?;
        Ok(Admission::of_all(self.deployer(namespace).await?, Target::Services(namespace.to_owned()), variants))
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
        Admission::of(self.env.personas.operator.clone(), namespace, forbidden)
    }
}

/// Documents that must not be admitted, each different from an admitted one in what is forbidden.
#[must_use = "name the expected guards with `denied_by`"]
pub struct Admission {
    author: Persona,
    place: Target,
    forbidden: Vec<Forbidden>,
}

/// A variant as it is sent: a tree of values takes ten times the room, and thousands wait for their turn.
struct Forbidden {
    what: String,
    named: &'static [&'static str],
    body: String,
}

impl Admission {
    pub(crate) fn of(author: Persona, namespace: &str, forbidden: &Pod) -> Result<Self, NoVerdict> {
        Ok(Self::of_all(author, Target::Namespace(namespace.to_owned()), vec![Variant::whole(document(forbidden)?)]))
    }

    pub(crate) fn of_all(author: Persona, place: Target, forbidden: Vec<Variant>) -> Self {
        let written = |Variant { what, named, document }| Forbidden { what, named, body: document.to_string() };
        Self { author, place, forbidden: forbidden.into_iter().map(written).collect() }
    }

    /// The guards whose refusal counts; any other's is inconclusive.
    pub fn denied_by(self, guards: &'static [Guard]) -> Guarded {
        Guarded { admission: self, guards }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_admitting`"]
pub struct Guarded {
    admission: Admission,
    guards: &'static [Guard],
}

impl Guarded {
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
        Box::pin(self.judge())
    }
}

/// What became of the forbidden pods.
#[derive(Default)]
struct Tried {
    admitted: Vec<String>,
    unclear: Vec<String>,
    refused: Vec<Refusal>,
    slowest_ms: u64,
}

impl Controlled {
    async fn judge(self) -> Attempted {
        let Self { guarded: Guarded { admission, guards }, control } = self;
        let Admission { author, place, forbidden } = &admission;
        let control = place.dry_run(&control?.to_string())?;
        let requests = forbidden
            .iter()
            .map(|variant| Ok((variant, place.dry_run(&variant.body)?)))
            .collect::<Result<Vec<_>, NoVerdict>>()?;
        let attempts =
            requests.into_iter().map(|(variant, request)| async move { (variant, api::send(author, request).await) });
        let attempts: Vec<_> = attempts.collect();
        let tried = async {
            let mut tried = Tried::default();
            let mut answers = stream::iter(attempts).buffered(AT_ONCE);
            while let Some((variant, answer)) = answers.next().await {
                tried.take(guards, variant, answer);
            }
            tried
        };
        let (tried, (control, _)) = tokio::join!(tried, api::send(author, control));
        let (who, all) = (&author.name, forbidden.len());
        if !tried.admitted.is_empty() {
            let some = if all == 1 { "it: ".to_owned() } else { format!("{} of {all}: ", tried.admitted.len()) };
            return Ok(Verdict::allowed(format!("{who} may have in {place} {some}{}", tried.admitted.join("; "))));
        }
        let control = match control {
            Reply::Accepted { .. } => Control::proved(format!("the same without it was admitted in {place} for {who}")),
            Reply::Broken(why) => return Err(NoVerdict::inconclusive(format!("no control: {why}"))),
            Reply::Refused(status) => {
                let why = format!("no control: {who} may not have even the plain one in {place}: {}", status.message);
                return Err(NoVerdict::inconclusive(why));
            }
        };
        if !tried.unclear.is_empty() {
            return Err(NoVerdict::inconclusive(tried.unclear.join("; ")));
        }
        let by = by_whom(tried.refused.iter().map(|refusal| &refusal.by));
        let Some(Refusal { guard, said, .. }) = tried.refused.into_iter().next() else {
            return Err(NoVerdict::inconclusive("nothing was attempted"));
        };
        let evidence = match all {
            1 => format!("refused by {by}: {said}"),
            _ => format!("{all} of {all} refused by {by}; the first: {said}"),
        };
        Ok(Verdict::denied(guard, evidence, control, tried.slowest_ms).of_attempts(all))
    }
}

impl Tried {
    fn take(&mut self, guards: &[Guard], Forbidden { what, named, .. }: &Forbidden, (reply, after_ms): (Reply, u64)) {
        let told = |said: &str| if what.is_empty() { said.to_owned() } else { format!("{what}: {said}") };
        match reply {
            Reply::Accepted { warnings, .. } => {
                let warned: String = warnings
                    .iter()
                    .map(|Warned { guard, reason }| format!("; {guard} does no more than warn: {reason}"))
                    .collect();
                self.admitted.push(told(&format!("admitted (dry run){warned}")));
            }
            Reply::Broken(why) => self.unclear.push(told(&why)),
            Reply::Refused(status) => match expected(guards, named, &status) {
                Ok(refusal) => {
                    self.slowest_ms = self.slowest_ms.max(after_ms);
                    self.refused.push(Refusal { said: told(&refusal.said), ..refusal });
                }
                Err(why) => self.unclear.push(told(&why)),
            },
        }
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
    match &reason {
        Reason::PodSecurity { fields, .. }
            if !named.is_empty() && !fields.iter().any(|field| named.contains(&field.name.as_str())) =>
        {
            Err(format!("refused by {guard}, but not for this: {message}"))
        }
        _ => Ok(Refusal { guard, by: reason.by(), said: message.clone() }),
    }
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

impl Target {
    pub(crate) fn dry_run(&self, document: &str) -> Result<Request<Vec<u8>>, NoVerdict> {
        let request = match self {
            Self::Namespace(namespace) => create("pods", namespace, document),
            Self::Services(namespace) => create("services", namespace, document),
            Self::Pod(namespace, pod) => {
                let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/ephemeralcontainers?dryRun=All");
                let patch = format!(r#"{{"spec":{{"ephemeralContainers":[{document}]}}}}"#);
                Request::patch(path)
                    .header("Content-Type", "application/strategic-merge-patch+json")
                    .body(patch.into_bytes())
            }
        };
        request.map_err(|error| NoVerdict::inconclusive(format!("cannot build the request: {error}")))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(namespace) | Self::Services(namespace) => f.write_str(namespace),
            Self::Pod(namespace, _) => write!(f, "a running pod of {namespace}"),
        }
    }
}
