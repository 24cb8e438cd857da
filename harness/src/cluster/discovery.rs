//! What the API server serves: every authenticated identity may ask (`system:discovery`).
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::core::Status;
use kube::core::discovery::v2::APIGroupDiscoveryList;
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
            Err(Error::Api(status)) if is_unknown(&status) => Ok(None),
            Err(error) => {
                Err(NoVerdict::inconclusive(format!("cannot ask what {group_version} serves: {}", told(&error))))
            }
        }
    }

    /// The API groups that are served.
    ///
    /// # Errors
    /// The API server's own words.
    pub async fn groups(&self) -> Result<Groups, Error> {
        match self.client.list_api_groups_aggregated().await {
            Ok(list) => Ok(Groups::of(&list)),
            // Below 1.30 it is not served in this version.
            Err(_) => {
                let names = self.client.list_api_groups().await?.groups.into_iter().map(|group| group.name).collect();
                Ok(Groups { names, unavailable: Vec::new() })
            }
        }
    }
}

/// Whether the API server itself says that it knows no such kind, or no such group: a 404 of somebody on the way says nothing of either.
pub(crate) fn is_unknown(status: &Status) -> bool {
    // apiserver, server/routes and endpoints: below a group that is not there nobody writes a `Status`.
    status.code == 404 && (status.reason == "NotFound" || status.message.trim_end() == "404 page not found")
}

/// API groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Their names.
    pub names: Vec<String>,
    /// Those versions of which the server behind them does not answer, as APIServices are called: `v1beta1.metrics.k8s.io`. Namespaces stay
    /// Terminating until it does: nobody can say what of these is left in them.
    pub unavailable: Vec<String>,
}

impl Groups {
    fn of(list: &APIGroupDiscoveryList) -> Self {
        let mut groups = Self::default();
        for group in &list.items {
            let Some(name) = group.metadata.as_ref().and_then(|metadata| metadata.name.clone()) else { continue };
            let stale = group.versions.iter().filter(|version| version.freshness.as_deref() == Some("Stale"));
            let stale = stale.filter_map(|version| Some(format!("{}.{name}", version.version.as_ref()?)));
            groups.unavailable.extend(stale);
            groups.names.push(name);
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::no_such_kind("the server could not find the requested resource", "NotFound", 404, true)]
    #[case::no_such_group("404 page not found\n", "Failed to parse error data", 404, true)]
    #[case::a_page("<html><body><h1>404 Not Found</h1></body></html>", "Failed to parse error data", 404, false)]
    #[case::refused("services is forbidden", "Forbidden", 403, false)]
    fn who_says_that_there_is_no_such_kind(
        #[case] message: &str,
        #[case] reason: &str,
        #[case] code: u16,
        #[case] expected: bool,
    ) {
        assert_eq!(is_unknown(&Status::failure(message, reason).with_code(code)), expected);
    }

    #[test]
    fn whose_server_does_not_answer() {
        let list = serde_json::json!({ "items": [
            { "metadata": { "name": "apps" }, "versions": [{ "version": "v1", "freshness": "Current" }] },
            { "metadata": { "name": "metrics.k8s.io" }, "versions": [{ "version": "v1beta1", "freshness": "Stale" }] },
        ] });
        let expected = Groups {
            names: vec!["apps".into(), "metrics.k8s.io".into()],
            unavailable: vec!["v1beta1.metrics.k8s.io".into()],
        };
        assert_eq!(Groups::of(&serde_json::from_value(list).unwrap()), expected);
    }
}
