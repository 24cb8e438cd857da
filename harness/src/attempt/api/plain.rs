//! What nothing should object to: the controls of what is refused.
use k8s_openapi::api::core::v1::{Pod, Service};
use serde_json::json;

use crate::attempt::api::admission::document;
use crate::cx::Cx;
use crate::probe::pod;
use crate::verdict::NoVerdict;

impl Cx {
    /// A pod for [`Cx::namespace`] that nothing should object to: the control of every admission attempt.
    ///
    /// # Errors
    /// Inconclusive where it cannot be written down: a bug, reported rather than hidden.
    pub fn plain_pod(&self) -> Result<Pod, NoVerdict> {
        self.plain_pod_in(self.namespace()?)
    }

    /// ... and one for `namespace`.
    ///
    /// # Errors
    /// As [`Cx::plain_pod`].
    pub fn plain_pod_in(&self, namespace: &str) -> Result<Pod, NoVerdict> {
        let image = self.env.probes.image_in_name();
        let name = format!("oke-conformance-{}", self.env.sandbox.run);
        pod::plain(&name, namespace, &image.reference, &self.env.sandbox.labels(), &self.env.sandbox.pods)
            .map_err(|error| NoVerdict::inconclusive(error.to_string()))
    }

    /// ... and the same pod, which is never to run.
    ///
    /// # Errors
    /// Inconclusive where it cannot be written down: a bug, reported rather than hidden.
    pub(crate) fn never_scheduled(&self, pod: &Pod) -> Result<Pod, NoVerdict> {
        let mut pod = document(pod)?;
        pod::never_scheduled(&mut pod["spec"], self.env.facts.minor());
        serde_json::from_value(pod).map_err(|error| NoVerdict::inconclusive(error.to_string()))
    }

    /// A Service for [`Cx::namespace`] that nothing should object to: for the cluster alone, and with no pod behind it.
    ///
    /// # Errors
    /// Inconclusive where it cannot be written down: a bug, reported rather than hidden.
    pub fn plain_service(&self) -> Result<Service, NoVerdict> {
        let sandbox = &self.env.sandbox;
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": format!("oke-conformance-{}", sandbox.run), "namespace": self.namespace()?, "labels": sandbox.labels() },
            "spec": { "type": "ClusterIP", "selector": { "oke-conformance/nobody": "" }, "ports": [{ "port": 80 }] },
        });
        serde_json::from_value(service).map_err(|error| NoVerdict::inconclusive(error.to_string()))
    }
}
