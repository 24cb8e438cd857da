//! Identities: real tokens by TokenRequest, not impersonation, so that authentication is part of what is tried.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::HeaderValue;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::cluster::api::{Reply, post, send};
use crate::cluster::persona::Persona;
use crate::verdict::NoVerdict;

/// Seconds a persona's token lives; the API server grants no less than ten minutes.
const TOKEN_S: u32 = 1800;

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
    /// Inconclusive where no token is to be had, or where the API server takes its bearer for somebody else; whoever asks next tries again.
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
        let (reply, _) = send(&self.operator, post(&path, &body)?).await;
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
        let persona = Persona { name, client, bearer: Some(bearer), traffic };
        // Something on the way may bring a credential of its own in place of ours.
        let known = persona.whoami().await?;
        if known != persona.name {
            return Err(NoVerdict::inconclusive(format!(
                "the API server takes whoever brings the token of {} for {known}: what stands before it has a credential of its own, and nothing can be asked in another's name",
                persona.name
            )));
        }
        Ok(Some(persona))
    }
}
