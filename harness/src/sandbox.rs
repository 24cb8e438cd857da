//! What a run makes in the cluster, and its way out again.
//!
//! Every object carries the run's id as a label, an owner and an expiry; the run's own namespaces hold most of them. Sweeping is by
//! label alone, so nothing else is ever touched.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use http::Request;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, NamespaceResourceScope, ObjectMeta};
use kube::{Client, Error, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use crate::attempt::api::chain;
use crate::attempt::controllers::KINDS;
use crate::cluster::facts::ENFORCED;
use crate::verdict::NoVerdict;

/// The label that every object of a run carries; its value is the run's id.
pub const RUN: &str = "oke-conformance/run";
/// The annotation that says until when an object may stand, RFC 3339.
pub const EXPIRES: &str = "oke-conformance/expires";
/// The annotation that says who started the run.
pub const OWNER: &str = "oke-conformance/owner";
/// A run's objects may be swept by anybody after this time.
const LIFETIME: SignedDuration = SignedDuration::from_mins(30);
/// A sweep that has not finished by then says what is left.
const SWEEP_WITHIN: Duration = Duration::from_secs(60);
/// One round of deleting and counting; longer, and the API server has fallen silent.
const ROUND_WITHIN: Duration = Duration::from_secs(15);

/// The run's objects.
pub struct Sandbox {
    /// The run's id.
    pub run: String,
    client: Client,
    annotations: BTreeMap<String, String>,
    outside: OnceCell<String>,
    quota: OnceCell<String>,
    newborn: OnceCell<String>,
    priority: OnceCell<String>,
    touched: Mutex<BTreeSet<String>>,
    begun: AtomicBool,
    controllers: AtomicBool,
    closed: AtomicBool,
    refusal: OnceLock<String>,
}

impl Sandbox {
    /// A sandbox with nothing in it yet. `owner` tells a reader of the cluster whom to ask.
    pub fn new(client: Client, owner: &str) -> Self {
        let expires = Timestamp::now().saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
        let expires = expires.round(k8s_openapi::jiff::Unit::Second).unwrap_or(expires);
        // A hasher's random keys are this program's only need for randomness.
        let run = format!("{:010x}", RandomState::new().hash_one(std::process::id()) >> 24);
        Self {
            run,
            client,
            annotations: [(EXPIRES.to_owned(), expires.to_string()), (OWNER.to_owned(), owner.to_owned())].into(),
            outside: OnceCell::new(),
            quota: OnceCell::new(),
            newborn: OnceCell::new(),
            priority: OnceCell::new(),
            touched: Mutex::default(),
            begun: AtomicBool::new(false),
            controllers: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            refusal: OnceLock::new(),
        }
    }

    /// What every object carries.
    pub fn labels(&self) -> BTreeMap<String, String> {
        [(RUN.to_owned(), self.run.clone()), ("app.kubernetes.io/managed-by".to_owned(), "oke-conformance".to_owned())]
            .into()
    }

    /// ... and this too.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// The run's own namespace, which no policy of the cluster's users selects: where controls are tried from. Made when first asked for.
    ///
    /// # Errors
    /// A sentence where the namespace cannot be made.
    pub async fn outside(&self) -> Result<&str, String> {
        self.outside.get_or_try_init(|| self.make_namespace("")).await.map(String::as_str)
    }

    /// A second one, for a quota that must not bound the probes.
    ///
    /// # Errors
    /// As [`Sandbox::outside`].
    pub async fn for_quota(&self) -> Result<&str, String> {
        self.quota.get_or_try_init(|| self.make_namespace("-quota")).await.map(String::as_str)
    }

    /// A third one, with no more labels than anybody's new namespace has.
    ///
    /// # Errors
    /// As [`Sandbox::outside`].
    pub async fn newborn(&self) -> Result<&str, String> {
        let made = self.newborn.get_or_try_init(|| self.make_namespace_with("-newborn", &[]));
        made.await.map(String::as_str)
    }

    /// The run's own priority, below everybody's: a probe gives way to any pod that finds no room, and itself takes nobody's; nor does a
    /// cluster grow for its sake (the cluster autoscaler does not count what is below -10).
    ///
    /// # Errors
    /// A sentence where it cannot be made.
    pub async fn priority(&self) -> Result<&str, String> {
        let made = self.priority.get_or_try_init(|| async {
            let name = format!("oke-conformance-{}", self.run);
            let class = json!({
                "metadata": { "name": name, "labels": self.labels(), "annotations": self.annotations },
                "value": i32::MIN, "preemptionPolicy": "Never", "description": "probes of a conformance run",
            });
            let class: PriorityClass = serde_json::from_value(class).map_err(|error| error.to_string())?;
            self.open()?;
            let made = self.make_with(Api::all(self.client.clone()), &class).await;
            made.map_err(|error| format!("cannot make priority class {name}: {}", told(&error)))?;
            Ok(name)
        });
        made.await.map(String::as_str)
    }

    async fn make_namespace(&self, suffix: &str) -> Result<String, String> {
        self.make_namespace_with(suffix, &[(ENFORCED, "restricted")]).await
    }

    async fn make_namespace_with(&self, suffix: &str, more: &[(&str, &str)]) -> Result<String, String> {
        let name = format!("oke-conformance-{}{suffix}", self.run);
        let mut labels = self.labels();
        labels.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let namespace = json!({ "metadata": { "name": name, "labels": labels, "annotations": self.annotations } });
        let namespace: Namespace = serde_json::from_value(namespace).map_err(|error| error.to_string())?;
        self.open()?;
        let made = self.make_with(Api::all(self.client.clone()), &namespace).await;
        made.map_err(|error| format!("cannot make namespace {name}: {}", told(&error)))?;
        Ok(name)
    }

    /// Makes an object that carries the run's labels in any namespace, and remembers where to sweep.
    ///
    /// # Errors
    /// The API server's own words.
    pub async fn make<K>(&self, namespace: &str, object: &K) -> Result<K, Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + serde::Serialize
            + Debug,
    {
        self.open().map_err(|why| Error::Service(why.into()))?;
        self.touched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(namespace.to_owned());
        self.make_with(Api::namespaced(self.client.clone(), namespace), object).await
    }

    /// Adds what every object of a run carries.
    pub(crate) fn labelled(&self, mut object: Value) -> Value {
        object["metadata"]["labels"] = json!(self.labels());
        object["metadata"]["annotations"] = json!(self.annotations);
        object
    }

    /// Makes a controller of pods, and has it begin at once where it would wait for its hour.
    ///
    /// # Errors
    /// A sentence where the API server refuses.
    pub(crate) async fn make_controller(
        &self,
        namespace: &str,
        group_version: &str,
        plural: &str,
        name: &str,
        object: &Value,
    ) -> Result<(), String> {
        self.open()?;
        self.controllers.store(true, Ordering::SeqCst);
        self.touched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(namespace.to_owned());
        let root = if group_version.contains('/') { "apis" } else { "api" };
        let path = format!("/{root}/{group_version}/namespaces/{namespace}/{plural}");
        let cannot = |error: Error| format!("cannot make {plural} {name}: {}", told(&error));
        let send = |request: http::Result<Request<Vec<u8>>>| async {
            let request = request.map_err(|error| error.to_string())?;
            self.client.request::<Value>(request).await.map_err(cannot)
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

    /// Whoever asked for an object first may have been dropped before the answer came: what is there already and carries this run's
    /// label is what was asked for.
    async fn make_with<K>(&self, api: Api<K>, object: &K) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + serde::Serialize + Debug,
    {
        match api.create(&PostParams::default(), object).await {
            Err(Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {
                // Listed, not read: whoever sweeps may list, and needs no other right for this.
                let ours = ListParams::default()
                    .labels(&format!("{RUN}={}", self.run))
                    .fields(&format!("metadata.name={}", object.name_any()));
                api.list(&ours).await?.items.pop().ok_or(Error::Api(status))
            }
            answered => answered,
        }
    }

    fn open(&self) -> Result<(), String> {
        if let Some(why) = self.refusal.get() {
            return Err(why.clone());
        }
        self.begun.store(true, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) { Err("the run is ending".into()) } else { Ok(()) }
    }

    /// From here on nothing is made, and whoever needs an object hears `why`.
    pub fn refuse(&self, why: String) {
        let _ = self.refusal.set(why);
    }

    /// Takes away everything the run has made and waits until it is gone. Nothing can be made afterwards.
    ///
    /// # Errors
    /// Names what is left, and how to take it away by hand.
    pub async fn sweep(&self) -> Result<(), String> {
        self.closed.store(true, Ordering::SeqCst);
        // Whoever made nothing need not have the right to look for it.
        if !self.begun.load(Ordering::SeqCst) {
            return Ok(());
        }
        let touched = self.touched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        sweep(&self.client, &self.run, &touched, self.controllers.load(Ordering::SeqCst)).await
    }
}

/// Takes away what runs that have expired left behind: `kill -9`, a lost machine.
///
/// # Errors
/// Where the cluster cannot be listed, or something does not go.
pub async fn sweep_expired(client: &Client) -> Result<usize, String> {
    sweep_runs(client, expired).await
}

/// Takes away what any run has left behind, expired or not.
///
/// # Errors
/// As [`sweep_expired`].
pub async fn sweep_all(client: &Client) -> Result<usize, String> {
    sweep_runs(client, |_| true).await
}

fn expired(annotations: &BTreeMap<String, String>) -> bool {
    // What carries the label but no readable expiry was not made by a run: not ours to judge.
    annotations
        .get(EXPIRES)
        .and_then(|expires| expires.parse::<Timestamp>().ok())
        .is_some_and(|expires| expires < Timestamp::now())
}

async fn sweep_runs(client: &Client, doomed: fn(&BTreeMap<String, String>) -> bool) -> Result<usize, String> {
    let labelled = ListParams::default().labels(RUN);
    let (namespaces, pods, carriers, classes) = tokio::join!(
        async { Api::<Namespace>::all(client.clone()).list_metadata(&labelled).await },
        async { Api::<Pod>::all(client.clone()).list_metadata(&labelled).await },
        async { Api::<ConfigMap>::all(client.clone()).list_metadata(&labelled).await },
        async { Api::<PriorityClass>::all(client.clone()).list_metadata(&labelled).await },
    );
    let cannot = |error: Error| format!("cannot look for leftovers of earlier runs: {}", told(&error));
    let mut left: Vec<ObjectMeta> = Vec::new();
    left.extend(namespaces.map_err(cannot)?.items.into_iter().map(|object| object.metadata));
    left.extend(pods.map_err(cannot)?.items.into_iter().map(|object| object.metadata));
    left.extend(carriers.map_err(cannot)?.items.into_iter().map(|object| object.metadata));
    left.extend(classes.map_err(cannot)?.items.into_iter().map(|object| object.metadata));
    let mut runs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for object in left {
        if !doomed(&object.annotations.unwrap_or_default()) {
            continue;
        }
        if let Some(run) = object.labels.unwrap_or_default().remove(RUN) {
            runs.entry(run).or_default().extend(object.namespace);
        }
    }
    for (run, touched) in &runs {
        sweep(client, run, touched, true).await?;
    }
    Ok(runs.len())
}

async fn sweep(client: &Client, run: &str, touched: &BTreeSet<String>, controllers: bool) -> Result<(), String> {
    let start = Instant::now();
    let selector = format!("{RUN}={run}");
    let params = ListParams::default().labels(&selector);
    let mut last = String::new();
    while start.elapsed() < SWEEP_WITHIN {
        match timeout(ROUND_WITHIN, sweep_once(client, &params, touched, controllers)).await {
            Ok(Ok(0)) => return Ok(()),
            Ok(Ok(left)) => last = format!("{left} objects are still there"),
            Ok(Err(error)) => last = told(&error),
            Err(_) => last = "the API server does not answer".into(),
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(format!(
        "the sweep did not finish within {} s: {last}; take away by hand what carries the label {selector}",
        SWEEP_WITHIN.as_secs()
    ))
}

/// Deletes, then counts what is left: a creation that was under way when the run ended shows up in a later round.
async fn sweep_once(
    client: &Client,
    params: &ListParams,
    touched: &BTreeSet<String>,
    controllers: bool,
) -> Result<usize, Error> {
    let at_once = DeleteParams::default().grace_period(1);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let classes: Api<PriorityClass> = Api::all(client.clone());
    let rounds = touched.iter().map(|namespace| {
        let (params, at_once) = (params.clone(), at_once.clone());
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let carriers: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        async move {
            // What makes pods before the pods; where this credential may not, whoever made them could, and their owner takes them along.
            let mut left = 0;
            for kind in KINDS.iter().filter(|_| controllers) {
                left += clear_controllers(client, namespace, kind, &params).await?;
            }
            // Pods first: once their carrier is gone the garbage collector would race us for them.
            left += clear(&pods, &params, &at_once).await?;
            Ok::<_, Error>(left + clear(&carriers, &params, &DeleteParams::default()).await?)
        }
    });
    let mut left: usize = futures::future::try_join_all(rounds).await?.into_iter().sum();
    // Marked in the first round, with the pods: the namespace controller waits five seconds before it looks, and by then they are gone.
    for namespace in namespaces.list_metadata(params).await?.items {
        left += 1;
        if namespace.metadata.deletion_timestamp.is_none() {
            let _ = namespaces.delete(&namespace.name_any(), &DeleteParams::default()).await?;
        }
    }
    left += clear(&classes, params, &DeleteParams::default()).await?;
    Ok(left)
}

async fn clear_controllers(
    client: &Client,
    namespace: &str,
    (group_version, plural, kind): &(&str, &str, &str),
    params: &ListParams,
) -> Result<usize, Error> {
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let found = match api.list_metadata(params).await {
        Ok(list) => list.items,
        Err(Error::Api(status)) if matches!(status.code, 403 | 404) => return Ok(0),
        Err(error) => return Err(error),
    };
    if found.iter().any(|object| object.metadata.deletion_timestamp.is_none()) {
        let _ = api.delete_collection(&DeleteParams::background(), params).await?;
    }
    Ok(found.len())
}

async fn clear<K>(api: &Api<K>, params: &ListParams, how: &DeleteParams) -> Result<usize, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let found = match api.list_metadata(params).await {
        Ok(list) => list.items,
        // The namespace has been deleted by its owner in the meantime.
        Err(Error::Api(status)) if status.code == 404 => return Ok(0),
        Err(error) => return Err(error),
    };
    if found.iter().any(|object| object.metadata.deletion_timestamp.is_none()) {
        let _ = api.delete_collection(how, params).await?;
    }
    Ok(found.len())
}

/// The API server's own words, or the error's.
pub(crate) fn told(error: &Error) -> String {
    match error {
        Error::Api(status) => status.message.clone(),
        other => chain(other),
    }
}

impl From<Error> for NoVerdict {
    fn from(error: Error) -> Self {
        Self::Inconclusive(told(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::past("2020-01-01T00:00:00Z", true)]
    #[case::future("2999-01-01T00:00:00Z", false)]
    #[case::unreadable("soon", false)]
    fn only_what_says_that_it_has_expired_has(#[case] expires: &str, #[case] expected: bool) {
        assert_eq!(expired(&[(EXPIRES.to_owned(), expires.to_owned())].into()), expected);
    }

    #[test]
    fn what_has_no_expiry_is_left_alone() {
        assert!(!expired(&BTreeMap::new()));
    }
}
