//! Identities: real tokens by TokenRequest, not impersonation, so that authentication is part of what is tried.
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use http::{HeaderValue, Request};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Client;
use kube::core::Status;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::attempt::api::{self, Reply};
use crate::attempt::denial::{Denial, Reason};
use crate::cluster::traffic::Traffic;
use crate::verdict::NoVerdict;

/// Seconds a persona's token lives; the API server grants no less than ten minutes.
const TOKEN_S: u32 = 1800;

/// Somebody who asks the API server for things.
#[derive(Clone)]
pub struct Persona {
    /// For the reader: `the operator`, `system:serviceaccount:tenant-a:default`.
    pub name: String,
    /// The way to the API server.
    pub client: Client,
    /// The credential that each request brings, where `client` has none of its own.
    pub(crate) bearer: Option<HeaderValue>,
    /// What it sends waits its turn here.
    pub(crate) traffic: Traffic,
}

impl fmt::Debug for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Persona {
    /// Who the API server takes this persona for.
    ///
    /// # Errors
    /// Inconclusive where the credential is not accepted.
    pub async fn whoami(&self) -> Result<String, NoVerdict> {
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        let request = post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review)?;
        let (reply, _) = api::send(self, request).await;
        let body = match reply {
            Reply::Accepted { body, .. } => body,
            Reply::Refused(status) if status.code == 401 => {
                return Err(NoVerdict::inconclusive(format!("the credential of {} is not accepted", self.name)));
            }
            Reply::Refused(status) => match named(&status) {
                Some(user) => return Ok(user),
                // A token that is not accepted hears that first.
                None if status.code == 404 && self.bearer.is_some() => return Ok(self.name.clone()),
                None => {
                    return Err(NoVerdict::inconclusive(format!(
                        "cannot ask who {} is: {}",
                        self.name, status.message
                    )));
                }
            },
            Reply::Broken(why) => {
                return Err(NoVerdict::inconclusive(format!("cannot ask who {} is: {why}", self.name)));
            }
        };
        let review: SelfSubjectReview = serde_json::from_str(&body).unwrap_or_default();
        let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
        user.ok_or_else(|| NoVerdict::inconclusive(format!("the API server does not say who {} is", self.name)))
    }
}

/// Who is asking, in the words of an API server below 1.28: it does not serve the question, and refuses it by name to whoever may not ask
/// for everything.
pub(crate) fn named(status: &Status) -> Option<String> {
    match Denial::of_status(status)?.reason {
        Reason::Rbac { user, resource, .. } if resource == "selfsubjectreviews" && user != ANONYMOUS => Some(user),
        _ => None,
    }
}

/// Whoever brings no credential.
const ANONYMOUS: &str = "system:anonymous";

type Known = Arc<OnceCell<Option<Persona>>>;

/// The identities of a run, each made when it is first needed and once for all scenarios.
pub struct Personas {
    /// The credential the run was started with.
    pub operator: Persona,
    anonymous: Client,
    known: Mutex<HashMap<(String, String), Known>>,
}

impl Personas {
    /// The operator, and nobody else yet.
    pub fn new(operator: Persona, anonymous: Client) -> Self {
        Self { operator, anonymous, known: Mutex::default() }
    }

    /// A service account, by a token that the operator asks for. `None` where there is no such account.
    ///
    /// # Errors
    /// Inconclusive where no token is to be had; whoever asks next tries again.
    pub async fn service_account(&self, namespace: &str, account: &str) -> Result<Option<Persona>, NoVerdict> {
        let key = (namespace.to_owned(), account.to_owned());
        let known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).entry(key).or_default().clone();
        known.get_or_try_init(|| self.token(namespace, account)).await.cloned()
    }

    async fn token(&self, namespace: &str, account: &str) -> Result<Option<Persona>, NoVerdict> {
        let name = format!("system:serviceaccount:{namespace}:{account}");
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": TOKEN_S },
        });
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let (reply, _) = api::send(&self.operator, post(&path, &body)?).await;
        let body = match reply {
            Reply::Accepted { body, .. } => body,
            Reply::Refused(status) if status.code == 404 => return Ok(None),
            Reply::Refused(status) => {
                return Err(NoVerdict::inconclusive(format!("no token for {name}: {}", status.message)));
            }
            Reply::Broken(why) => return Err(NoVerdict::inconclusive(format!("no token for {name}: {why}"))),
        };
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let bearer = answer["status"]["token"].as_str().map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
        let Some(Ok(mut bearer)) = bearer else {
            return Err(NoVerdict::inconclusive(format!("no token for {name} in the answer")));
        };
        bearer.set_sensitive(true);
        let (client, traffic) = (self.anonymous.clone(), self.operator.traffic.clone());
        Ok(Some(Persona { name, client, bearer: Some(bearer), traffic }))
    }
}

fn post(path: &str, body: &Value) -> Result<Request<Vec<u8>>, NoVerdict> {
    Request::post(path)
        .header("Content-Type", "application/json")
        .body(body.to_string().into_bytes())
        .map_err(|error| NoVerdict::inconclusive(format!("cannot build the request: {error}")))
}
