//! The Services and pods of the whole cluster: listed once a run, page by page, and kept without the parts that nobody asks about, so
//! that a cluster of ten thousand pods fits into a few megabytes.
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, ListParams};
use kube::{Client, Error, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use crate::sandbox::standing::run_of;

/// Objects asked for at once.
pub(crate) const PAGE: u32 = 500;

/// What the cluster held when it was first asked.
pub struct Inventory {
    client: Client,
    services: OnceCell<Arc<Vec<Service>>>,
    pods: OnceCell<Arc<Vec<Pod>>>,
}

impl Inventory {
    /// Nothing asked yet.
    pub fn new(client: Client) -> Self {
        Self { client, services: OnceCell::new(), pods: OnceCell::new() }
    }

    /// All Services.
    ///
    /// # Errors
    /// The API server's own words.
    pub async fn services(&self) -> Result<Arc<Vec<Service>>, Error> {
        self.services.get_or_try_init(|| async { Ok(Arc::new(everything(&self.client, Some).await?)) }).await.cloned()
    }

    /// All pods but those of runs.
    ///
    /// # Errors
    /// The API server's own words.
    pub async fn pods(&self) -> Result<Arc<Vec<Pod>>, Error> {
        self.pods.get_or_try_init(|| async { Ok(Arc::new(everything(&self.client, slim).await?)) }).await.cloned()
    }
}

/// Every object of a kind, in all namespaces, as `keep` leaves it.
///
/// # Errors
/// The API server's own words.
pub(crate) async fn everything<K>(client: &Client, keep: fn(K) -> Option<K>) -> Result<Vec<K>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::all(client.clone());
    let mut items = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        items.extend(page.items.into_iter().filter_map(keep));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(items),
        }
    }
}

fn slim(mut pod: Pod) -> Option<Pod> {
    if run_of(&pod.metadata).is_some() {
        return None;
    }
    (pod.metadata.managed_fields, pod.metadata.annotations) = (None, None);
    if let Some(spec) = &mut pod.spec {
        (spec.volumes, spec.tolerations, spec.affinity) = (None, None, None);
        for container in &mut spec.containers {
            (container.env, container.volume_mounts, container.resources) = (None, None, None);
            (container.liveness_probe, container.readiness_probe, container.startup_probe) = (None, None, None);
        }
    }
    if let Some(status) = &mut pod.status {
        status.conditions = None;
        for container in status.container_statuses.iter_mut().flatten() {
            (container.state, container.last_state) = (None, None);
        }
    }
    Some(pod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{EXPIRES, RUN};
    use serde_json::json;

    #[test]
    fn what_is_kept_of_a_pod() {
        let pod = json!({
            "metadata": { "name": "p", "namespace": "n", "labels": { "a": "b" }, "annotations": { "c": "d" } },
            "spec": { "nodeName": "w", "containers": [{
                "name": "c", "image": "i", "ports": [{ "containerPort": 1, "hostPort": 2 }], "env": [{ "name": "E", "value": "v" }],
            }] },
            "status": { "podIP": "10.0.0.1", "containerStatuses": [{
                "name": "c", "image": "i", "imageID": "i@sha256:0", "ready": true, "restartCount": 0, "state": { "running": {} },
            }] },
        });
        let kept = slim(serde_json::from_value(pod).unwrap()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&kept).unwrap());
    }

    #[test]
    fn a_runs_own_pods_are_no_part_of_the_cluster() {
        let now = k8s_openapi::jiff::Timestamp::now().to_string();
        let mut pod = json!({ "metadata": { "name": "oke-conformance-r", "labels": { RUN: "r" }, "annotations": { EXPIRES: now } } });
        assert_eq!(slim(serde_json::from_value(pod.clone()).unwrap()), None);
        pod["metadata"]["name"] = "tiller".into();
        assert!(slim(serde_json::from_value(pod).unwrap()).is_some(), "a label is anybody's to set");
    }
}
