//! Controllers of pods, as a run makes them.
use std::sync::atomic::Ordering;

use http::Request;
use kube::Error;
use serde_json::{Value, json};

use super::Sandbox;

/// API group and version, plural, kind: every built-in controller that makes pods.
pub(crate) const KINDS: [(&str, &str, &str); 7] = [
    ("apps/v1", "deployments", "Deployment"),
    ("apps/v1", "statefulsets", "StatefulSet"),
    ("apps/v1", "daemonsets", "DaemonSet"),
    ("apps/v1", "replicasets", "ReplicaSet"),
    ("v1", "replicationcontrollers", "ReplicationController"),
    ("batch/v1", "jobs", "Job"),
    ("batch/v1", "cronjobs", "CronJob"),
];

impl Sandbox {
    /// Makes a controller of pods, and has it begin at once where it would wait for its hour.
    ///
    /// # Errors
    /// The API server's own words.
    pub(crate) async fn make_controller(
        &self,
        namespace: &str,
        group_version: &str,
        plural: &str,
        name: &str,
        object: &Value,
    ) -> Result<(), Error> {
        self.open().map_err(|why| Error::Service(why.into()))?;
        self.controllers.store(true, Ordering::SeqCst);
        let root = if group_version.contains('/') { "apis" } else { "api" };
        let path = format!("/{root}/{group_version}/namespaces/{namespace}/{plural}");
        let send = |request: http::Result<Request<Vec<u8>>>| async {
            self.client.request::<Value>(request.map_err(Error::HttpError)?).await
        };
        let create = Request::post(&path).header("Content-Type", "application/json");
        send(create.body(object.to_string().into_bytes())).await?;
        if plural == "cronjobs" {
            // Its last hour was long ago: the controller makes up for the newest one that it missed.
            let missed = json!({ "status": { "lastScheduleTime": "2020-01-01T00:00:00Z" } });
            let status = Request::patch(format!("{path}/{name}/status"));
            let status = status.header("Content-Type", "application/merge-patch+json");
            send(status.body(missed.to_string().into_bytes())).await?;
        }
        Ok(())
    }
}
