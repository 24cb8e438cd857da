//! Who the API server takes somebody for, by its own word.
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::core::Status;
use serde_json::json;

use crate::cluster::api::{Reply, post, send};
use crate::cluster::persona::Persona;
use crate::denial::{Denial, Reason};
use crate::verdict::NoVerdict;

impl Persona {
    /// Who the API server takes this persona for.
    ///
    /// # Errors
    /// Inconclusive where the credential is not accepted.
    pub async fn whoami(&self) -> Result<String, NoVerdict> {
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        let request = post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review)?;
        let (reply, _) = send(self, request).await;
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
