//! Asking the API server for things that an identity must not get.
//!
//! Reads are real, writes are dry runs or aim at a name that does not exist: what an authorizer lets through ends in a 404
//! or a 422 and changes nothing.
use futures::StreamExt;
use futures::stream;
use http::Request;

use crate::attempt::api::{self, Reply};
use crate::attempt::denial::guard_of;
use crate::cluster::persona::Persona;
use crate::scenario::Guard;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};

/// Requests of one identity that are under way at once: far below what API priority and fairness queues.
const AT_ONCE: usize = 8;

/// One thing asked of the API server.
#[derive(Clone, Debug)]
pub struct Ask {
    /// `list secrets`: verb and resource, for the reader.
    pub what: String,
    /// HTTP method.
    pub method: &'static str,
    /// Path with query.
    pub path: String,
    /// Body; empty for none.
    pub body: serde_json::Value,
    /// `Content-Type` of the body.
    pub content_type: &'static str,
    /// `Impersonate-User`, where the ask is to become somebody else.
    pub impersonate: Option<&'static str>,
}

impl Ask {
    /// A read.
    pub fn get(what: impl Into<String>, path: impl Into<String>) -> Self {
        Self::new(what, "GET", path, serde_json::Value::Null)
    }

    /// A creation, as a dry run.
    pub fn create(what: impl Into<String>, path: impl Into<String>, body: serde_json::Value) -> Self {
        Self::new(what, "POST", format!("{}?dryRun=All", path.into()), body)
    }

    /// A deletion, as a dry run.
    pub fn delete(what: impl Into<String>, path: impl Into<String>) -> Self {
        Self::new(what, "DELETE", format!("{}?dryRun=All", path.into()), serde_json::Value::Null)
    }

    /// A merge patch, as a dry run.
    pub fn patch(what: impl Into<String>, path: impl Into<String>, body: serde_json::Value) -> Self {
        let ask = Self::new(what, "PATCH", format!("{}?dryRun=All", path.into()), body);
        Self { content_type: "application/merge-patch+json", ..ask }
    }

    /// The same ask in the name of `user`.
    pub fn impersonating(self, user: &'static str) -> Self {
        Self { impersonate: Some(user), ..self }
    }

    fn new(what: impl Into<String>, method: &'static str, path: impl Into<String>, body: serde_json::Value) -> Self {
        Self { what: what.into(), method, path: path.into(), body, content_type: "application/json", impersonate: None }
    }

    fn request(&self) -> Result<Request<Vec<u8>>, NoVerdict> {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        let mut body = Vec::new();
        if !self.body.is_null() {
            request = request.header("Content-Type", self.content_type);
            body = self.body.to_string().into_bytes();
        }
        if let Some(user) = self.impersonate {
            request = request.header("Impersonate-User", user);
        }
        request
            .body(body)
            .map_err(|error| NoVerdict::inconclusive(format!("cannot build the request to {}: {error}", self.what)))
    }
}

/// Asks that an identity must not be granted.
#[must_use = "name the expected guards with `refused_by`"]
pub struct Access {
    pub(crate) persona: Persona,
    pub(crate) operator: Persona,
    pub(crate) asks: Vec<Ask>,
}

impl Access {
    /// The guards whose refusal counts.
    pub fn refused_by(self, guards: &'static [Guard]) -> Guarded {
        Guarded { access: self, guards }
    }
}

/// ... with its guards.
#[must_use = "name the control with `while_operator_may`"]
pub struct Guarded {
    access: Access,
    guards: &'static [Guard],
}

/// What the authorizer did with one ask.
enum Authorized {
    Yes(String),
    No(Guard, String),
    Unclear(String),
}

impl Guarded {
    /// The control, twice: the identity's credential is accepted as itself, and each ask passes authorization when the
    /// operator makes it, so that a refusal is about the identity and not about the request.
    ///
    /// # Errors
    /// Inconclusive where the credential is not accepted, where the operator may not make an ask either, or where an answer
    /// is neither a grant nor a refusal by an expected guard.
    pub async fn while_operator_may(self) -> Attempted {
        let Access { persona, operator, asks } = self.access;
        let myself = persona.whoami().await?;
        let (mut allowed, mut unclear, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut slowest_ms = 0;
        let both = |ask| compared(&persona, &operator, ask);
        let compared: Vec<_> = asks.iter().map(both).collect();
        let mut answers = stream::iter(compared).buffered(AT_ONCE);
        while let Some((ask, theirs, ours)) = answers.next().await {
            let (theirs, after_ms) = theirs?;
            let (ours, _) = ours?;
            match (theirs, ours) {
                (Authorized::Yes(how), _) => allowed.push(format!("{}: {how}", ask.what)),
                (Authorized::Unclear(why), _) => unclear.push(format!("{}: {why}", ask.what)),
                (Authorized::No(guard, message), _) if !self.guards.contains(&guard) => {
                    unclear.push(format!("{}: refused by {guard}: {message}", ask.what));
                }
                (Authorized::No(..), Authorized::No(_, why) | Authorized::Unclear(why)) => {
                    unclear.push(format!("{}: no control, {} gets no further: {why}", ask.what, operator.name));
                }
                (Authorized::No(guard, message), Authorized::Yes(_)) => {
                    slowest_ms = slowest_ms.max(after_ms);
                    refused.push((guard, message));
                }
            }
        }
        if !allowed.is_empty() {
            return Ok(Verdict::allowed(format!(
                "{myself} may {} of {}: {}",
                allowed.len(),
                asks.len(),
                allowed.join("; ")
            )));
        }
        if !unclear.is_empty() {
            return Err(NoVerdict::inconclusive(unclear.join("; ")));
        }
        let Some((guard, message)) = refused.first().cloned() else {
            return Err(NoVerdict::inconclusive("nothing was asked"));
        };
        let evidence = format!("{} of {} asks refused; the first: {message}", refused.len(), asks.len());
        let control = Control::proved(format!(
            "the token is accepted as {myself}, and every ask passes authorization for {}",
            operator.name
        ));
        Ok(Verdict::denied(guard, evidence, control, slowest_ms))
    }
}

type Answered = Result<(Authorized, u64), NoVerdict>;

/// The ask by the one who must not, and at the same moment by the operator.
async fn compared<'a>(persona: &Persona, operator: &Persona, ask: &'a Ask) -> (&'a Ask, Answered, Answered) {
    let (theirs, ours) = tokio::join!(authorized(persona, ask), authorized(operator, ask));
    (ask, theirs, ours)
}

async fn authorized(persona: &Persona, ask: &Ask) -> Answered {
    let (reply, after_ms) = api::send(&persona.client, ask.request()?).await;
    let authorized = match reply {
        Reply::Accepted(_) => Authorized::Yes("done".into()),
        Reply::Broken(why) => Authorized::Unclear(why),
        Reply::Refused(status) => match (guard_of(&status), status.code) {
            (Some(guard @ (Guard::Rbac | Guard::Authentication)), _) => Authorized::No(guard, status.message.clone()),
            // Authorization comes before admission, validation and look-up: whoever hears from those was let through.
            (Some(guard), _) => Authorized::Yes(format!("authorized, then refused by {guard}")),
            (None, 400 | 404 | 405 | 409 | 415 | 422) => Authorized::Yes(format!("authorized, then {}", status.code)),
            (None, code) => {
                Authorized::Unclear(format!("answer {code} is no refusal that is known: {}", status.message))
            }
        },
    };
    Ok((authorized, after_ms))
}
