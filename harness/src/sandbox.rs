//! What a run makes in the cluster, and its way out again.
//!
//! Every object carries the run's id as a label, an owner and an expiry; the run's own namespaces hold most of them. Sweeping is by
//! label alone, so nothing else is ever touched.
pub(crate) mod controllers;
pub(crate) mod standing;
mod sweep;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ListParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Error, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::settings::{ClusterSettings, OfTheHouse, PodSettings};
use crate::standard::ENFORCED;
use crate::told::told;

pub use sweep::{Swept, sweep_all, sweep_expired};

/// The label that every object of a run carries; its value is the run's id.
pub const RUN: &str = "oke-conformance/run";
/// The annotation that says until when an object may stand, RFC 3339.
pub const EXPIRES: &str = "oke-conformance/expires";
/// The annotation that says who started the run.
pub const OWNER: &str = "oke-conformance/owner";
/// A run's objects may be swept by anybody after this time.
const LIFETIME: SignedDuration = SignedDuration::from_mins(30);

/// The run's objects.
pub struct Sandbox {
    /// The run's id.
    pub run: String,
    /// What the cluster demands of every pod.
    pub(crate) pods: PodSettings,
    /// What it demands of every namespace.
    namespace_labels: OfTheHouse,
    client: Client,
    annotations: BTreeMap<String, String>,
    namespaces: Mutex<HashMap<String, Arc<OnceCell<String>>>>,
    priority: OnceCell<String>,
    begun: AtomicBool,
    controllers: AtomicBool,
    webhooks: AtomicBool,
    closed: AtomicBool,
    refusal: OnceLock<String>,
}

impl Sandbox {
    /// A sandbox with nothing in it yet, on a cluster of which `settings` say what it demands. `owner` tells a reader of the cluster whom to ask.
    pub fn new(client: Client, owner: &str, settings: &ClusterSettings) -> Self {
        let expires = Timestamp::now().saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
        let expires = expires.round(k8s_openapi::jiff::Unit::Second).unwrap_or(expires);
        // A hasher's random keys are this program's only need for randomness.
        let run = format!("{:010x}", RandomState::new().hash_one(std::process::id()) >> 24);
        Self {
            run,
            pods: settings.pods.clone(),
            namespace_labels: settings.namespace_labels.clone(),
            client,
            annotations: [(EXPIRES.to_owned(), expires.to_string()), (OWNER.to_owned(), owner.to_owned())].into(),
            namespaces: Mutex::default(),
            priority: OnceCell::new(),
            begun: AtomicBool::new(false),
            controllers: AtomicBool::new(false),
            webhooks: AtomicBool::new(false),
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
    pub async fn outside(&self) -> Result<String, String> {
        self.namespace("", &[(ENFORCED, "restricted")]).await
    }

    /// One more, for pods that nothing else of the run may disturb; the same for whoever asks by the same `suffix`.
    ///
    /// # Errors
    /// As [`Sandbox::outside`].
    pub async fn of_its_own(&self, suffix: &str, labels: &[(&str, &str)]) -> Result<String, String> {
        self.namespace(&format!("-{suffix}"), &[&[(ENFORCED, "restricted")], labels].concat()).await
    }

    /// A namespace with these labels besides those that every object carries, made once for each `suffix`.
    ///
    /// # Errors
    /// As [`Sandbox::outside`].
    pub async fn namespace(&self, suffix: &str, labels: &[(&str, &str)]) -> Result<String, String> {
        let once = {
            let mut namespaces = self.namespaces.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            namespaces.entry(suffix.to_owned()).or_default().clone()
        };
        once.get_or_try_init(|| self.make_namespace(suffix, labels)).await.cloned()
    }

    /// The priority class of probes: the one that the cluster's settings name, or the run's own, below everybody's: a probe gives way to any pod that finds no room, and itself takes nobody's; nor does a
    /// cluster grow for its sake (the cluster autoscaler does not count what is below -10).
    ///
    /// # Errors
    /// A sentence where it cannot be made.
    pub async fn priority(&self) -> Result<&str, String> {
        if let Some(class) = &self.pods.priority_class {
            return Ok(class);
        }
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

    /// Whether that namespace is one of the run's own.
    pub(crate) fn is_own(&self, namespace: &str) -> bool {
        let rest = namespace.strip_prefix("oke-conformance-").and_then(|rest| rest.strip_prefix(self.run.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    async fn make_namespace(&self, suffix: &str, more: &[(&str, &str)]) -> Result<String, String> {
        let name = format!("oke-conformance-{}{suffix}", self.run);
        let mut labels = self.labels();
        labels.extend(self.namespace_labels.pairs().map(|(key, value)| (key.to_owned(), value.to_owned())));
        labels.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let namespace = json!({ "metadata": { "name": name, "labels": labels, "annotations": self.annotations } });
        let namespace: Namespace = serde_json::from_value(namespace).map_err(|error| error.to_string())?;
        self.open()?;
        let made = self.make_with(Api::all(self.client.clone()), &namespace).await;
        made.map_err(|error| format!("cannot make namespace {name}: {}", told(&error)))?;
        Ok(name)
    }

    /// Makes an object that carries the run's labels in any namespace.
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
        self.make_with(Api::namespaced(self.client.clone(), namespace), object).await
    }

    /// Makes webhooks, which must ask for nobody's requests but the run's own.
    ///
    /// # Errors
    /// The API server's own words.
    pub(crate) async fn make_webhooks(&self, webhooks: &ValidatingWebhookConfiguration) -> Result<(), Error> {
        self.open().map_err(|why| Error::Service(why.into()))?;
        self.webhooks.store(true, Ordering::SeqCst);
        self.make_with(Api::all(self.client.clone()), webhooks).await.map(drop)
    }

    /// Adds what every object of a run carries.
    pub(crate) fn labelled(&self, mut object: Value) -> Value {
        for (key, value) in self.labels() {
            object["metadata"]["labels"][key] = value.into();
        }
        object["metadata"]["annotations"] = json!(self.annotations);
        object
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

    /// Takes away everything the run has made and waits until it is gone, or nothing but namespaces that others hold. Nothing can be made
    /// afterwards.
    ///
    /// # Errors
    /// Names what is left, and how to take it away by hand.
    pub async fn sweep(&self) -> Result<Swept, String> {
        self.closed.store(true, Ordering::SeqCst);
        // Whoever made nothing need not have the right to look for it.
        if !self.begun.load(Ordering::SeqCst) {
            return Ok(Swept::default());
        }
        let made = sweep::Made {
            controllers: self.controllers.load(Ordering::SeqCst),
            webhooks: self.webhooks.load(Ordering::SeqCst),
        };
        sweep::sweep(&self.client, &self.run, made).await
    }
}
