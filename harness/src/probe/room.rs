//! The room that a namespace's quotas leave: a probe takes nobody's place, and the last free pod is its owner's.
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use tokio::sync::OnceCell;

/// What a quota may call the number of pods.
const PODS: [&str; 2] = ["pods", "count/pods"];
/// The scopes that a probe is of: it ends by itself, and asks for something.
const OURS: [&str; 2] = ["Terminating", "NotBestEffort"];

/// Of each namespace.
#[derive(Debug, Default)]
pub(super) struct Rooms(Mutex<HashMap<String, Arc<Room>>>);

#[derive(Debug, Default)]
struct Room {
    /// The tightest quota and how many pods it has left; none where nothing bounds them, or nobody says.
    free: OnceCell<Option<(String, u64)>>,
    taken: AtomicU64,
}

impl Rooms {
    /// Takes a place for one more probe.
    ///
    /// # Errors
    /// A sentence, where it would be the last one.
    pub(super) async fn take(&self, client: &Client, namespace: &str) -> Result<(), String> {
        let room = {
            let mut rooms = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            rooms.entry(namespace.to_owned()).or_default().clone()
        };
        let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), namespace);
        let free = room.free.get_or_init(|| async {
            // Whoever may not look takes what he is given.
            let quotas = quotas.list(&ListParams::default()).await.ok()?;
            quotas.items.iter().filter_map(left).min_by_key(|(_, left)| *left)
        });
        let Some((quota, free)) = free.await else { return Ok(()) };
        if room.taken.fetch_add(1, Ordering::SeqCst) + 1 < *free {
            return Ok(());
        }
        Err(format!(
            "quota {quota} of {namespace} has room for {free} more pods, and the last one is its owner's: raise `pods` there, or leave the namespace out of scope"
        ))
    }
}

/// How many pods more a quota lets through, where it bounds those of a probe's kind.
fn left(quota: &ResourceQuota) -> Option<(String, u64)> {
    let spec = quota.spec.as_ref()?;
    let scoped = spec.scopes.iter().flatten().any(|scope| !OURS.contains(&scope.as_str()));
    if scoped || spec.scope_selector.is_some() {
        return None;
    }
    let status = quota.status.as_ref()?;
    let number = |values: Option<&std::collections::BTreeMap<String, _>>, name: &str| {
        values.and_then(|values| values.get(name)).and_then(|quantity: &Quantity| quantity.0.parse::<u64>().ok())
    };
    let left = PODS.iter().filter_map(|name| {
        Some(number(status.hard.as_ref(), name)?.saturating_sub(number(status.used.as_ref(), name)?))
    });
    Some((quota.name_any(), left.min()?))
}

type Quantity = k8s_openapi::apimachinery::pkg::api::resource::Quantity;

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case::some(json!({}), json!({ "hard": { "pods": "10" }, "used": { "pods": "9" } }), Some(1))]
    #[case::the_tighter(
        json!({}),
        json!({ "hard": { "pods": "10", "count/pods": "4" }, "used": { "pods": "1", "count/pods": "2" } }),
        Some(2)
    )]
    #[case::full(json!({}), json!({ "hard": { "pods": "3" }, "used": { "pods": "4" } }), Some(0))]
    #[case::of_what_ends(json!({ "scopes": ["Terminating"] }), json!({ "hard": { "pods": "3" }, "used": { "pods": "0" } }), Some(3))]
    #[case::of_others(json!({ "scopes": ["BestEffort"] }), json!({ "hard": { "pods": "3" }, "used": { "pods": "0" } }), None)]
    #[case::of_cpu(json!({}), json!({ "hard": { "limits.cpu": "3" }, "used": { "limits.cpu": "0" } }), None)]
    #[case::not_counted_yet(json!({}), json!({ "hard": { "pods": "3" } }), None)]
    fn what_a_quota_has_left(#[case] spec: Value, #[case] status: Value, #[case] expected: Option<u64>) {
        let quota = json!({ "metadata": { "name": "q" }, "spec": spec, "status": status });
        assert_eq!(left(&serde_json::from_value(quota).unwrap()).map(|(_, left)| left), expected);
    }

    #[tokio::test]
    async fn the_last_one_is_left_to_its_owner() {
        let rooms = Rooms::default();
        let room = Room { free: OnceCell::new_with(Some(Some(("q".into(), 3)))), taken: AtomicU64::new(0) };
        rooms.0.lock().unwrap().insert("a".into(), Arc::new(room));
        let server = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, tower::BoxError>>()
        });
        let client = Client::new(server, "a");
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(rooms.take(&client, "a").await.is_ok());
        }
        assert_eq!(taken, [true, true, false]);
    }
}
