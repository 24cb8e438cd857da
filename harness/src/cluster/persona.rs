//! Identities: real tokens by TokenRequest, not impersonation, so that authentication is part of what is tried.
use std::fmt;

use http::Request;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::config::AuthInfo;
use kube::{Client, Config, Error};
use serde_json::{Value, json};

use crate::attempt::api::{self, Reply};
use crate::cluster::client::client;
use crate::sandbox::told;
use crate::verdict::NoVerdict;

/// Seconds a persona's token lives; the API server grants no less than ten minutes.
const TOKEN_S: u32 = 1800;

/// Somebody who asks the API server for things.
#[derive(Clone)]
pub struct Persona {
    /// For the reader: `the operator`, `system:serviceaccount:tenant-a:default`.
    pub name: String,
    /// Speaks with that identity's credential and no other.
    pub client: Client,
}

impl fmt::Debug for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Persona {
    /// A service account, by a token that the operator asks for. `None` where there is no such account.
    ///
    /// # Errors
    /// Inconclusive where no token is to be had.
    pub async fn service_account(
        operator: &Persona,
        config: &Config,
        namespace: &str,
        account: &str,
    ) -> Result<Option<Self>, NoVerdict> {
        let name = format!("system:serviceaccount:{namespace}:{account}");
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": TOKEN_S },
        });
        let request = Request::post(format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"))
            .header("Content-Type", "application/json")
            .body(body.to_string().into_bytes())
            .map_err(|error| NoVerdict::inconclusive(error.to_string()))?;
        let (reply, _) = api::send(&operator.client, request).await;
        let body = match reply {
            Reply::Accepted(body) => body,
            Reply::Refused(status) if status.code == 404 => return Ok(None),
            Reply::Refused(status) => {
                return Err(NoVerdict::inconclusive(format!("no token for {name}: {}", status.message)));
            }
            Reply::Broken(why) => return Err(NoVerdict::inconclusive(format!("no token for {name}: {why}"))),
        };
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let token = answer["status"]["token"]
            .as_str()
            .ok_or_else(|| NoVerdict::inconclusive(format!("no token for {name} in the answer")))?;
        Ok(Some(Self::with_token(config, name, token)?))
    }

    /// Whoever the token says, at the same API server.
    fn with_token(config: &Config, name: String, token: &str) -> Result<Self, NoVerdict> {
        let auth_info = AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() };
        let mut config = config.clone();
        config.auth_info = auth_info;
        let client = client(config)
            .map_err(|error| NoVerdict::inconclusive(format!("no client for {name}: {}", told(&error))))?;
        Ok(Self { name, client })
    }

    /// Who the API server takes this persona for.
    ///
    /// # Errors
    /// Inconclusive where the credential is not accepted.
    pub async fn whoami(&self) -> Result<String, NoVerdict> {
        let review = kube::Api::<SelfSubjectReview>::all(self.client.clone())
            .create(&Default::default(), &SelfSubjectReview::default())
            .await;
        match review {
            Ok(review) => {
                let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
                user.ok_or_else(|| NoVerdict::inconclusive(format!("the API server does not say who {} is", self.name)))
            }
            Err(Error::Api(status)) if status.code == 401 => {
                Err(NoVerdict::inconclusive(format!("the credential of {} is not accepted", self.name)))
            }
            Err(error) => Err(NoVerdict::inconclusive(format!("cannot ask who {} is: {}", self.name, told(&error)))),
        }
    }
}
