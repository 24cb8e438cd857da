//! The kinds that a run makes objects of: how each is looked for, and how it is taken away.
use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta, Status};
use kube::{Client, Error};
use tokio::time::timeout;

use super::terminating::{End, end};
use crate::cluster::discovery::is_unknown;
use crate::denial::Denial;
use crate::sandbox::controllers;
use crate::words::Guard;

/// A request to its last byte; longer, and the API server has fallen silent.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// A kind that a run makes objects of.
pub(super) struct Kind {
    pub(super) resource: ApiResource,
    how: DeleteParams,
    /// Whether whoever lacks the right to it may leave it: its owner's deletion takes it away, or it does nothing any more.
    optional: bool,
}

/// An object that carries the label.
pub(super) struct Found {
    pub(super) metadata: ObjectMeta,
    /// How far the end of a namespace has come; `None` for what is not one.
    pub(super) end: Option<End>,
}

impl Kind {
    fn of(group_version: &str, plural: &str, kind: &str) -> Self {
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        Self { resource, how: DeleteParams::default(), optional: false }
    }

    pub(super) fn pods() -> Self {
        Self { how: DeleteParams::default().grace_period(1), ..Self::of("v1", "pods", "Pod") }
    }

    pub(super) fn carriers() -> Self {
        Self::of("v1", "configmaps", "ConfigMap")
    }

    pub(super) fn namespaces() -> Self {
        Self::of("v1", "namespaces", "Namespace")
    }

    pub(super) fn priorities() -> Self {
        Self::of("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass")
    }

    /// Once their namespace is gone they ask for nothing any more: whoever lacks the right to them may leave them.
    pub(super) fn webhooks() -> Self {
        let kind = Self::of(
            "admissionregistration.k8s.io/v1",
            "validatingwebhookconfigurations",
            "ValidatingWebhookConfiguration",
        );
        Self { optional: true, ..kind }
    }

    pub(super) fn controllers() -> Vec<Self> {
        let kinds = controllers::KINDS.iter();
        let optional = |kind| Self { how: DeleteParams::background(), optional: true, ..kind };
        kinds.map(|(group_version, plural, kind)| optional(Self::of(group_version, plural, kind))).collect()
    }

    fn is_namespaces(&self) -> bool {
        self.resource.kind == "Namespace"
    }

    /// What there is of it.
    pub(super) async fn list(&self, client: &Client, selector: &str) -> Result<Vec<Found>, Error> {
        let ours = ListParams::default().labels(selector);
        if self.is_namespaces() {
            // Whole, for what they say of their end.
            let namespaces = in_time(Api::<Namespace>::all(client.clone()).list(&ours)).await?.items;
            let found = namespaces.into_iter().map(|of| Found { end: Some(end(&of)), metadata: of.metadata });
            return Ok(found.collect());
        }
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &self.resource);
        match in_time(api.list_metadata(&ours)).await {
            Ok(list) => Ok(list.items.into_iter().map(|of| Found { metadata: of.metadata, end: None }).collect()),
            Err(Error::Api(status)) if self.optional && (is_unknown(&status) || is_not_granted(&status)) => {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether there is none of it in `namespace`, whoever has made it.
    pub(super) async fn is_none_in(&self, client: &Client, namespace: &str) -> Result<bool, Error> {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &self.resource);
        Ok(in_time(api.list_metadata(&ListParams::default().limit(1))).await?.items.is_empty())
    }

    /// Asks for the deletion of what was found and is not on its way out.
    pub(super) async fn delete(&self, client: &Client, selector: &str, found: &[Found]) -> Result<(), Error> {
        let staying = found.iter().map(|found| &found.metadata).filter(|of| of.deletion_timestamp.is_none());
        if self.is_namespaces() {
            // Namespaces know no deletion of a collection.
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &self.resource);
            let names = staying.filter_map(|object| object.name.as_deref());
            let deleted = names.map(|name| twice(|| api.delete(name, &self.how)));
            return futures::future::join_all(deleted).await.into_iter().find_map(Result::err).map_or(Ok(()), Err);
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
        futures::future::join_all(deleted).await.into_iter().find_map(Result::err).map_or(Ok(()), Err)
    }
}

/// Whether an authorizer has said so: somebody on the way who answers with a 403 of his own says nothing of rights.
fn is_not_granted(status: &Status) -> bool {
    matches!(Denial::of_status(status), Some(Denial { guard: Guard::Rbac, .. }))
}

/// An API server that refuses every other request would refuse each deletion behind its list, time after time.
async fn twice<T, F: Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> Result<T, Error> {
    match in_time(ask()).await {
        Ok(done) => Ok(done),
        Err(_) => in_time(ask()).await,
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let answered = timeout(ANSWERED_WITHIN, asked).await;
    answered.unwrap_or_else(|_| Err(Error::Service("the API server does not answer".into())))
}
