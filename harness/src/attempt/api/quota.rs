//! One pod more than a quota allows.
//!
//! Filling a namespace to its brim would stop its owners, so the attempt is made where nobody else is: a copy of the quota, with
//! room for one, in a namespace of the run's own. What the namespace in scope contributes is its quota, alive: bounding pods,
//! taken up by the quota controller, and counting.
use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Client;
use kube::api::{Api, ListParams};
use kube::core::Status;
use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::{Duration, Instant, sleep};

use crate::attempt::api::admission::refused_by;
use crate::cx::Cx;
use crate::probe::pod;
use crate::told::told;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// A quota without a status is not enforced yet; the controller writes one within a second where it runs.
const STATUS_WITHIN: Duration = Duration::from_secs(20);

/// What a quota may call the number of pods.
const PODS: [&str; 2] = ["pods", "count/pods"];

/// The answer of the live attempt, which is about the cluster and therefore made once.
#[derive(Debug, Default)]
pub struct QuotaProof(OnceCell<Result<Overrun, NoVerdict>>);

/// What came of the pod within the quota and of the one beyond it.
#[derive(Clone, Debug)]
struct Overrun {
    within: String,
    beyond: Result<String, Box<Status>>,
    after_ms: u64,
}

impl Cx {
    /// Attempts one pod more than the quotas of [`Cx::namespace`] allow.
    ///
    /// # Errors
    /// Inconclusive where quotas cannot be read, the quota controller is not at work, or the attempt could not be made.
    pub async fn one_pod_over_quota(&self) -> Attempted {
        let namespace = self.namespace()?;
        let quotas: Api<ResourceQuota> = Api::namespaced(self.env.personas.operator.client.clone(), namespace);
        let quotas = quotas.list(&ListParams::default()).await?.items;
        let Some((quota, bound)) = quotas.iter().find_map(|quota| Some((quota, bounds_pods(quota)?))) else {
            let others = quotas.len();
            return Ok(Verdict::allowed(format!(
                "nothing bounds the number of pods in {namespace}: {others} ResourceQuotas there, none for pods"
            )));
        };
        let name = quota.metadata.name.as_deref().unwrap_or_default();
        let status = quota.status.as_ref();
        let value = |values: Option<&std::collections::BTreeMap<String, Quantity>>| {
            values.and_then(|values| values.get(bound)).map(|quantity| quantity.0.clone())
        };
        let hard = value(quota.spec.as_ref().and_then(|spec| spec.hard.as_ref()));
        let (taken_up, used) = (
            value(status.and_then(|status| status.hard.as_ref())),
            value(status.and_then(|status| status.used.as_ref())),
        );
        if taken_up.is_none() || taken_up != hard {
            let why = not_taken_up(namespace, name, bound, hard.as_deref(), taken_up.as_deref());
            return Err(NoVerdict::inconclusive(why));
        }
        let counted = format!(
            "{namespace} has quota {name}: {bound} {} of {}",
            used.unwrap_or_default(),
            taken_up.unwrap_or_default()
        );
        let overrun = self.env.memory.of::<QuotaProof>().0.get_or_init(|| self.overrun()).await.clone()?;
        match overrun.beyond {
            Ok(admitted) => Ok(Verdict::allowed(format!("{admitted} although a quota allows one; {counted}"))),
            Err(status) => {
                let control = Control::proved(format!("{counted}; {}", overrun.within));
                refused_by(&[Guard::Quota], &status, control, overrun.after_ms)
            }
        }
    }

    async fn overrun(&self) -> Result<Overrun, NoVerdict> {
        let sandbox = &self.env.sandbox;
        let namespace = sandbox.of_its_own("quota", &[]).await.map_err(NoVerdict::Inconclusive)?;
        let namespace = namespace.as_str();
        let client = &self.env.personas.operator.client;
        let quota = json!({
            "metadata": { "name": "room-for-one", "labels": sandbox.labels(), "annotations": sandbox.annotations() },
            // By either name: whichever the namespaces in scope use, this is a copy of it.
            "spec": { "hard": { PODS[0]: "1", PODS[1]: "1" } },
        });
        let quota: ResourceQuota =
            serde_json::from_value(quota).map_err(|error| NoVerdict::inconclusive(error.to_string()))?;
        sandbox.make(namespace, &quota).await?;
        taken_up(client, namespace, self.env.traffic.pace().patience(STATUS_WITHIN)).await?;
        let within = self.gated_pod(namespace, "within")?;
        let beyond = self.gated_pod(namespace, "beyond")?;
        sandbox.make(namespace, &within).await.map_err(|error| {
            NoVerdict::inconclusive(format!("no control: the pod within the quota was refused: {}", told(&error)))
        })?;
        let start = Instant::now();
        let beyond = match sandbox.make(namespace, &beyond).await {
            Ok(_) => Ok("a second pod was admitted".to_owned()),
            Err(kube::Error::Api(status)) => Err(status),
            Err(error) => return Err(NoVerdict::inconclusive(told(&error))),
        };
        let within = "under a copy of it with room for one, the first pod was admitted".to_owned();
        Ok(Overrun { within, beyond, after_ms: start.elapsed().as_millis() as u64 })
    }

    /// A pod that counts but is never scheduled: it costs the cluster nothing.
    fn gated_pod(&self, namespace: &str, name: &str) -> Result<Pod, NoVerdict> {
        let image = self.env.probes.image_in_name();
        let mut pod = pod::plain(name, namespace, &image.reference, &self.env.sandbox.labels(), &self.env.sandbox.pods)
            .map_err(|error| NoVerdict::inconclusive(error.to_string()))?;
        pod.metadata.annotations.get_or_insert_default().extend(self.env.sandbox.annotations().clone());
        self.never_scheduled(&pod)
    }
}

/// Which of [`PODS`] a quota bounds for every pod; one with scopes bounds some pods only.
fn bounds_pods(quota: &ResourceQuota) -> Option<&'static str> {
    let spec = quota.spec.as_ref()?;
    let scoped = spec.scopes.as_ref().is_some_and(|scopes| !scopes.is_empty()) || spec.scope_selector.is_some();
    let hard = spec.hard.as_ref()?;
    PODS.into_iter().find(|name| !scoped && hard.contains_key(*name))
}

fn not_taken_up(namespace: &str, name: &str, bound: &str, hard: Option<&str>, taken_up: Option<&str>) -> String {
    let [spec, status] = [hard, taken_up].map(|value| value.unwrap_or("nothing"));
    format!(
        "quota {namespace}/{name} is not taken up by the quota controller: for {bound} its spec says {spec}, its status {status}"
    )
}

async fn taken_up(client: &Client, namespace: &str, within: Duration) -> Result<(), NoVerdict> {
    let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), namespace);
    let start = Instant::now();
    while start.elapsed() < within {
        let listed = quotas.list(&ListParams::default()).await?.items;
        let ours = listed.into_iter().find(|quota| quota.metadata.name.as_deref() == Some("room-for-one"));
        let hard = ours.and_then(|quota| quota.status?.hard);
        if hard.is_some_and(|hard| !hard.is_empty()) {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(NoVerdict::inconclusive(format!(
        "the quota controller has not taken up a quota within {} s: is it running?",
        within.as_secs()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::pods(json!({ "hard": { "pods": "3" } }), Some("pods"))]
    #[case::count(json!({ "hard": { "count/pods": "3", "requests.cpu": "1" } }), Some("count/pods"))]
    #[case::cpu_only(json!({ "hard": { "requests.cpu": "1" } }), None)]
    #[case::some_pods_only(json!({ "hard": { "pods": "3" }, "scopes": ["BestEffort"] }), None)]
    #[case::empty(json!({}), None)]
    fn which_quota_bounds_every_pod(#[case] spec: serde_json::Value, #[case] expected: Option<&str>) {
        let quota: ResourceQuota = serde_json::from_value(json!({ "spec": spec })).unwrap();
        assert_eq!(bounds_pods(&quota), expected);
    }

    #[test]
    fn a_quota_that_nobody_has_taken_up_is_told_in_words() {
        let told = not_taken_up("tenant-a", "pods", "count/pods", Some("10"), None);
        let expected = "quota tenant-a/pods is not taken up by the quota controller: for count/pods its spec says 10, its status nothing";
        assert_eq!(told, expected);
    }
}
