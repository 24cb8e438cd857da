//! What the API server serves: every authenticated identity may ask (`system:discovery`).
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::{Client, Error};
use tokio::sync::OnceCell;

use crate::told::told;
use crate::verdict::NoVerdict;

type Listed = Arc<OnceCell<Option<APIResourceList>>>;

/// The kinds and verbs of the API server, each group asked for once.
pub struct Discovery {
    client: Client,
    listed: Mutex<HashMap<String, Listed>>,
}

impl Discovery {
    /// Nothing asked yet.
    pub fn new(client: Client) -> Self {
        Self { client, listed: Mutex::default() }
    }

    /// Whether `resource` (with its subresource, as `pods/exec`) of `group_version` (`v1`, `apps/v1`) is served with `verb`.
    ///
    /// # Errors
    /// Inconclusive where the API server does not say.
    pub async fn serves(&self, group_version: &str, resource: &str, verb: &str) -> Result<bool, NoVerdict> {
        let key = group_version.to_owned();
        let listed =
            self.listed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).entry(key).or_default().clone();
        let listed = listed.get_or_try_init(|| self.list(group_version)).await?;
        let mut resources = listed.iter().flat_map(|list| &list.resources);
        Ok(resources.any(|served| served.name == resource && served.verbs.iter().any(|known| known == verb)))
    }

    async fn list(&self, group_version: &str) -> Result<Option<APIResourceList>, NoVerdict> {
        let listed = match group_version.contains('/') {
            true => self.client.list_api_group_resources(group_version).await,
            false => self.client.list_core_api_resources(group_version).await,
        };
        match listed {
            Ok(list) => Ok(Some(list)),
            Err(Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => {
                Err(NoVerdict::inconclusive(format!("cannot ask what {group_version} serves: {}", told(&error))))
            }
        }
    }

    /// Names of the API groups that are served.
    ///
    /// # Errors
    /// The API server's own words.
    pub async fn groups(&self) -> Result<Vec<String>, Error> {
        Ok(self.client.list_api_groups().await?.groups.into_iter().map(|group| group.name).collect())
    }
}
