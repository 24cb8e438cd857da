//! Taking away what a run has made, by its label alone: nothing else is ever touched.
//!
//! Each kind is swept until a list of it comes back empty, whatever fails in between: an API server that answers every other request is
//! swept all the same, a little later.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta};
use kube::{Client, Error};
use tokio::time::{Instant, sleep, timeout};

use super::controllers;
use super::{EXPIRES, RUN, told};

/// A sweep that has not finished by then says what is left.
const WITHIN: Duration = Duration::from_secs(60);
/// One round of listing and deleting; longer, and the API server has fallen silent.
const ROUND_WITHIN: Duration = Duration::from_secs(15);
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How often a sweep of everything looks again.
const LOOKS: usize = 5;
/// What was asked for before a run was killed has arrived by then.
const LATECOMERS_WITHIN: Duration = Duration::from_secs(1);

/// A kind that a run makes objects of.
struct Kind {
    resource: ApiResource,
    how: DeleteParams,
    /// Whether whoever lacks the right to it may leave it: its owner's deletion takes it away, or it does nothing any more.
    optional: bool,
}

impl Kind {
    fn of(group_version: &str, plural: &str, kind: &str) -> Self {
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        Self { resource, how: DeleteParams::default(), optional: false }
    }

    fn pods() -> Self {
        Self { how: DeleteParams::default().grace_period(1), ..Self::of("v1", "pods", "Pod") }
    }

    fn carriers() -> Self {
        Self::of("v1", "configmaps", "ConfigMap")
    }

    fn namespaces() -> Self {
        Self::of("v1", "namespaces", "Namespace")
    }

    fn priorities() -> Self {
        Self::of("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass")
    }

    /// Once their namespace is gone they ask for nothing any more: whoever lacks the right to them may leave them.
    fn webhooks() -> Self {
        let kind = Self::of(
            "admissionregistration.k8s.io/v1",
            "validatingwebhookconfigurations",
            "ValidatingWebhookConfiguration",
        );
        Self { optional: true, ..kind }
    }

    fn controllers() -> Vec<Self> {
        let kinds = controllers::KINDS.iter();
        let optional = |kind| Self { how: DeleteParams::background(), optional: true, ..kind };
        kinds.map(|(group_version, plural, kind)| optional(Self::of(group_version, plural, kind))).collect()
    }

    async fn list(&self, client: &Client, selector: &str) -> Result<Vec<ObjectMeta>, Error> {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &self.resource);
        match api.list_metadata(&ListParams::default().labels(selector)).await {
            Ok(list) => Ok(list.items.into_iter().map(|object| object.metadata).collect()),
            Err(Error::Api(status)) if self.optional && matches!(status.code, 403 | 404) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Deletes what there is, and says how many objects that were.
    async fn clear(&self, client: &Client, selector: &str) -> Result<usize, Error> {
        let found = self.list(client, selector).await?;
        let staying = found.iter().filter(|object| object.deletion_timestamp.is_none());
        if self.resource.kind == "Namespace" {
            // Namespaces know no deletion of a collection.
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &self.resource);
            let names = staying.filter_map(|object| object.name.as_deref());
            let deleted = names.map(|name| twice(|| api.delete(name, &self.how)));
            futures::future::join_all(deleted).await.into_iter().find_map(Result::err).map_or(Ok(()), Err)?;
            return Ok(found.len());
        }
        let places: BTreeSet<Option<&str>> = staying.map(|object| object.namespace.as_deref()).collect();
        let deleted = places.into_iter().map(|namespace| {
            let api: Api<DynamicObject> = match namespace {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource),
                None => Api::all_with(client.clone(), &self.resource),
            };
            async move {
                let ours = ListParams::default().labels(selector);
                twice(|| api.delete_collection(&self.how, &ours)).await.map(drop)
            }
        });
        futures::future::join_all(deleted).await.into_iter().find_map(Result::err).map_or(Ok(()), Err)?;
        Ok(found.len())
    }
}

/// An API server that refuses every other request would refuse each deletion behind its list, time after time.
async fn twice<T, F: Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> Result<T, Error> {
    match ask().await {
        Ok(done) => Ok(done),
        Err(_) => ask().await,
    }
}

/// One run's sweep.
struct Sweep<'a> {
    client: &'a Client,
    selector: String,
    began: Instant,
    until: Instant,
    /// Why it is not at its end yet.
    last: Mutex<String>,
}

impl Sweep<'_> {
    /// Clears each kind until it is seen to be empty, one after the other; `false` where the time is over before that.
    async fn all_of(&self, kinds: &[Kind]) -> bool {
        for kind in kinds {
            loop {
                let cleared = timeout(ROUND_WITHIN, kind.clear(self.client, &self.selector)).await;
                // A credential that has expired does not come back.
                let for_good = matches!(&cleared, Ok(Err(Error::Api(status))) if status.code == 401);
                let why = match cleared {
                    Ok(Ok(0)) => break,
                    Ok(Ok(left)) => format!("{left} {} are still there", kind.resource.plural),
                    Ok(Err(error)) => told(&error),
                    Err(_) => "the API server does not answer".into(),
                };
                *self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = why;
                if for_good || Instant::now() >= self.until {
                    return false;
                }
                sleep(AGAIN_AFTER).await;
            }
        }
        true
    }
}

/// What a run has made besides what every run makes, or may have.
#[derive(Clone, Copy)]
pub(super) struct Made {
    pub(super) controllers: bool,
    pub(super) webhooks: bool,
}

/// Takes away what `run` has made, and waits until it is gone.
///
/// # Errors
/// Names what is left, and how to take it away by hand.
pub(super) async fn sweep(client: &Client, run: &str, made: Made) -> Result<(), String> {
    let sweep = Sweep {
        client,
        selector: format!("{RUN}={run}"),
        began: Instant::now(),
        until: Instant::now() + WITHIN,
        last: Mutex::default(),
    };
    // What makes pods before the pods, and those before what carries them: the other way round they would come back, or race us.
    let mut in_namespaces = if made.controllers { Kind::controllers() } else { Vec::new() };
    in_namespaces.extend([Kind::pods(), Kind::carriers()]);
    let namespaces = [Kind::namespaces()];
    let mut cluster_wide = vec![Kind::priorities()];
    cluster_wide.extend(made.webhooks.then(Kind::webhooks));
    // A creation that was under way when the run ended may have arrived behind the first round: by the second it has.
    for _ in 0..2 {
        let (objects, namespaces, cluster_wide) =
            tokio::join!(sweep.all_of(&in_namespaces), sweep.all_of(&namespaces), sweep.all_of(&cluster_wide));
        if !(objects && namespaces && cluster_wide) {
            let last = sweep.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
            let (after, selector) = (sweep.began.elapsed().as_secs(), &sweep.selector);
            return Err(format!(
                "the sweep did not finish, {after} s after it began: {last}; take away by hand what carries the label {selector}"
            ));
        }
    }
    Ok(())
}

/// Takes away what runs that have expired left behind: `kill -9`, a lost machine.
///
/// # Errors
/// Where the cluster cannot be listed, or something does not go.
pub async fn sweep_expired(client: &Client) -> Result<usize, String> {
    sweep_runs(client, expired).await.map(|runs| runs.len())
}

/// Takes away what any run has left behind, expired or not, and looks again a moment later: what a run that was killed just now had asked
/// for may still be on its way through a busy API server.
///
/// # Errors
/// As [`sweep_expired`].
pub async fn sweep_all(client: &Client) -> Result<usize, String> {
    let mut swept = BTreeSet::new();
    // A run that is at work makes new ones all the time: there is an end to it.
    for _ in 0..LOOKS {
        let found = sweep_runs(client, |_| true).await?;
        if found.is_empty() {
            break;
        }
        swept.extend(found);
        sleep(LATECOMERS_WITHIN).await;
    }
    Ok(swept.len())
}

fn expired(annotations: &BTreeMap<String, String>) -> bool {
    // What carries the label but no readable expiry was not made by a run: not ours to judge.
    let expires = annotations.get(EXPIRES).and_then(|expires| expires.parse::<Timestamp>().ok());
    expires.is_some_and(|expires| expires < Timestamp::now())
}

async fn sweep_runs(
    client: &Client,
    doomed: fn(&BTreeMap<String, String>) -> bool,
) -> Result<BTreeSet<String>, String> {
    let mut kinds = Kind::controllers();
    kinds.extend([Kind::pods(), Kind::carriers(), Kind::namespaces(), Kind::priorities(), Kind::webhooks()]);
    let lists = futures::future::join_all(kinds.iter().map(|kind| kind.list(client, RUN))).await;
    let mut runs = BTreeSet::new();
    for found in lists {
        let found = found.map_err(|error| format!("cannot look for leftovers of earlier runs: {}", told(&error)))?;
        let found = found.iter().filter(|object| doomed(object.annotations.as_ref().unwrap_or(&BTreeMap::new())));
        runs.extend(found.filter_map(|object| object.labels.as_ref()?.get(RUN).cloned()));
    }
    for run in &runs {
        sweep(client, run, Made { controllers: true, webhooks: true }).await?;
    }
    Ok(runs)
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
