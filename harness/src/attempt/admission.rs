//! Asking the API server to admit a pod, as a server-side dry run: authorization and the whole admission chain decide, nothing
//! is stored.
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use http::Request;
use k8s_openapi::api::core::v1::Pod;

use crate::attempt::api::{self, Reply};
use crate::attempt::denial::{Denial, Warned};
use crate::cluster::persona::Persona;
use crate::scenario::Guard;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};

/// A pod that must not be admitted.
#[must_use = "name the expected guards with `denied_by`"]
pub struct Admission {
    pub(crate) author: Persona,
    pub(crate) namespace: String,
    pub(crate) forbidden: Pod,
}

impl Admission {
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
    /// The control: the same pod without the forbidden attribute, which must be admitted at the same moment.
    pub fn while_admitting(self, control: Pod) -> Controlled {
        Controlled { guarded: self, control }
    }
}

/// ... and with its control: ready to be awaited.
#[must_use = "await it"]
pub struct Controlled {
    guarded: Guarded,
    control: Pod,
}

impl IntoFuture for Controlled {
    type Output = Attempted;
    type IntoFuture = Pin<Box<dyn Future<Output = Attempted> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.judge())
    }
}

impl Controlled {
    async fn judge(self) -> Attempted {
        let Guarded { admission: Admission { author, namespace, forbidden }, guards } = self.guarded;
        let ((attempt, after_ms), (control, _)) = tokio::join!(
            api::send(&author, dry_run_create(&namespace, &forbidden)?),
            api::send(&author, dry_run_create(&namespace, &self.control)?),
        );
        let who = &author.name;
        let status = match attempt {
            Reply::Accepted { warnings, .. } => {
                let warned = warnings
                    .iter()
                    .map(|Warned { guard, reason }| format!("; {guard} does no more than warn: {reason}"));
                let warned: String = warned.collect();
                return Ok(Verdict::allowed(format!("{who} may create it in {namespace}: admitted (dry run){warned}")));
            }
            Reply::Broken(why) => return Err(NoVerdict::inconclusive(why)),
            Reply::Refused(status) => status,
        };
        let control = match control {
            Reply::Accepted { .. } => {
                Control::proved(format!("the same pod without it was admitted in {namespace} for {who}"))
            }
            Reply::Broken(why) => return Err(NoVerdict::inconclusive(format!("no control: {why}"))),
            Reply::Refused(status) => {
                let why =
                    format!("no control: {who} may not create even the plain pod in {namespace}: {}", status.message);
                return Err(NoVerdict::inconclusive(why));
            }
        };
        refused_by(guards, &status, control, after_ms)
    }
}

/// A refusal with its control made: a denial where one of `guards` said it.
pub(crate) fn refused_by(guards: &[Guard], status: &kube::core::Status, control: Control, after_ms: u64) -> Attempted {
    match Denial::of_status(status).map(|denial| denial.guard) {
        Some(guard) if guards.contains(&guard) => Ok(Verdict::denied(guard, status.message.clone(), control, after_ms)),
        Some(guard) => {
            let expected = guards.iter().map(|guard| guard.name()).collect::<Vec<_>>().join(", ");
            Err(NoVerdict::inconclusive(format!("refused by {guard}, where {expected} should: {}", status.message)))
        }
        None => Err(NoVerdict::inconclusive(format!(
            "refused, but by no guard that is known (code {}): {}",
            status.code, status.message
        ))),
    }
}

fn dry_run_create(namespace: &str, pod: &Pod) -> Result<Request<Vec<u8>>, NoVerdict> {
    let body = serde_json::to_vec(pod)
        .map_err(|error| NoVerdict::inconclusive(format!("cannot write the pod down: {error}")))?;
    Request::post(format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"))
        .header("Content-Type", "application/json")
        .body(body)
        .map_err(|error| NoVerdict::inconclusive(format!("cannot build the request: {error}")))
}
