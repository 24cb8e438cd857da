//! The sweep against API servers that behave in one way each, in a time of their own.
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::client::Body;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::{BoxError, service_fn};

use super::*;

const DOWN: &str = "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: nowhere.example/v1: stale GroupVersion discovery: nowhere.example/v1";

/// What there is of a kind, so many seconds after its deletion was asked for; `None` where it was not. The ConfigMaps of a namespace that
/// are not the run's are of the kind `root`.
type Fate = fn(&str, Option<u64>) -> Vec<Value>;

/// An API server whose objects have that fate, and what it was asked to delete.
fn server(fate: Fate) -> (Client, Arc<Mutex<BTreeMap<String, Instant>>>) {
    let deleted: Arc<Mutex<BTreeMap<String, Instant>>> = Arc::default();
    let asked = deleted.clone();
    let answer = service_fn(move |request: Request<Body>| {
        let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
        let mut deleted = asked.lock().unwrap();
        let of = |place: &str| path.split('/').rev().take(2).any(|segment| segment == place);
        let kind = if of("namespaces") { "namespaces" } else { path.rsplit('/').next().unwrap_or_default() };
        let body = if request.method() == "DELETE" {
            deleted.entry(kind.to_owned()).or_insert_with(Instant::now);
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" })
        } else {
            let kind = if query.contains("labelSelector") { kind } else { "root" };
            let since = if kind == "root" { "namespaces" } else { kind };
            let items = fate(kind, deleted.get(since).map(|at| at.elapsed().as_secs()));
            json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": items })
        };
        async move { Ok::<_, BoxError>(Response::new(Body::from(body.to_string().into_bytes()))) }
    });
    (Client::new(answer, "default"), deleted)
}

fn object(name: &str, deleted: Option<u64>) -> Value {
    let at = deleted.map(|_| "2026-11-26T19:00:00Z");
    let metadata = json!({ "name": name, "namespace": "tenant", "deletionTimestamp": at, "labels": { RUN: "r" } });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata })
}

fn namespace(number: u64, deleted: Option<u64>, raised: &[(&str, &str)]) -> Value {
    let types = ["NamespaceDeletionDiscoveryFailure", "NamespaceDeletionContentFailure", "NamespaceContentRemaining"];
    let condition = |type_: &str| match raised.iter().find(|(raised, _)| *raised == type_) {
        Some((_, message)) => json!({ "type": type_, "status": "True", "message": message }),
        None => json!({ "type": type_, "status": "False", "message": "" }),
    };
    // The controller looks into it after five seconds.
    let conditions = deleted.is_some_and(|after| after >= 5).then(|| types.map(condition).to_vec());
    let mut namespace = object(&format!("n-{number}"), deleted);
    namespace["kind"] = "Namespace".into();
    namespace["metadata"]["namespace"] = Value::Null;
    namespace["spec"] = json!({ "finalizers": ["kubernetes"] });
    namespace["status"] = json!({ "phase": "Terminating", "conditions": conditions });
    namespace
}

/// A pod that takes two seconds, and a namespace that its controller takes away in its time.
fn well(kind: &str, deleted: Option<u64>) -> Vec<Value> {
    match (kind, deleted) {
        ("pods", None | Some(..2)) => vec![object("p", deleted)],
        ("namespaces", None | Some(..6)) => vec![namespace(0, deleted, &[])],
        _ => Vec::new(),
    }
}

/// Ten namespaces, one in twenty seconds.
fn slowly(kind: &str, deleted: Option<u64>) -> Vec<Value> {
    let gone = deleted.map_or(0, |after| after / 20);
    let left = [("NamespaceContentRemaining", "pods. has 1 resource instances")];
    if kind == "namespaces" {
        (gone..10).map(|number| namespace(number, deleted, &left)).collect()
    } else {
        well(kind, deleted)
    }
}

fn a_pod_stays(kind: &str, deleted: Option<u64>) -> Vec<Value> {
    if kind == "pods" { vec![object("p", deleted)] } else { well(kind, deleted) }
}

/// Another one under another name, each time: somebody makes it anew.
fn a_pod_is_made_anew(kind: &str, deleted: Option<u64>) -> Vec<Value> {
    match (kind, deleted) {
        ("pods", after) => vec![object(&format!("p-{}", after.unwrap_or_default()), None)],
        _ => well(kind, deleted),
    }
}

fn content_stays(kind: &str, deleted: Option<u64>) -> Vec<Value> {
    let left = [("NamespaceContentRemaining", "Some resources are remaining: services. has 1 resource instances")];
    if kind == "namespaces" { vec![namespace(0, deleted, &left)] } else { well(kind, deleted) }
}

/// Somebody's APIService is down: everything goes but the namespaces.
fn discovery_fails(kind: &str, deleted: Option<u64>) -> Vec<Value> {
    let down = [("NamespaceDeletionDiscoveryFailure", DOWN)];
    match (kind, deleted) {
        ("namespaces", _) => vec![namespace(0, deleted, &down), namespace(1, deleted, &down)],
        ("root", None | Some(..7)) => vec![object("kube-root-ca.crt", None)],
        _ => well(kind, deleted),
    }
}

/// ... and nothing else is deleted either, whatever the conditions say.
fn nothing_is_discovered(kind: &str, deleted: Option<u64>) -> Vec<Value> {
    if kind == "root" { vec![object("kube-root-ca.crt", None)] } else { discovery_fails(kind, deleted) }
}

/// Left by an earlier run.
fn held_before(kind: &str, _: Option<u64>) -> Vec<Value> {
    let down = [("NamespaceDeletionDiscoveryFailure", DOWN)];
    if kind == "namespaces" { vec![namespace(0, Some(1000), &down)] } else { Vec::new() }
}

async fn swept(fate: Fate) -> (Result<Swept, String>, u64) {
    let (client, _) = server(fate);
    let start = Instant::now();
    let swept = sweep(&client, "r", Made { controllers: true, webhooks: true }).await;
    (swept, start.elapsed().as_secs())
}

#[rstest]
#[case::as_a_rule(well, 6, 8)]
#[case::for_as_long_as_it_gets_somewhere(slowly, 200, 208)]
#[tokio::test(start_paused = true)]
async fn everything_goes(#[case] fate: Fate, #[case] least: u64, #[case] most: u64) {
    let (swept, took) = swept(fate).await;
    assert_eq!(swept.unwrap().warning, None);
    assert!((least..most).contains(&took), "{took} s");
}

#[rstest]
#[case::a_pod(a_pod_stays, "still there: pods tenant/p;")]
#[case::another_pod_each_time(a_pod_is_made_anew, "still there: pods tenant/p-")]
#[case::content(
    content_stays,
    "still there: namespaces n-0 (NamespaceContentRemaining: Some resources are remaining: services. has 1 resource instances);"
)]
#[case::what_was_not_looked_for(
    nothing_is_discovered,
    "still there: namespaces n-0, n-1 (NamespaceDeletionDiscoveryFailure: Discovery failed"
)]
#[tokio::test(start_paused = true)]
async fn what_stays_is_told_after_a_minute_without_change(#[case] fate: Fate, #[case] expected: &str) {
    let (swept, took) = swept(fate).await;
    let told = swept.unwrap_err();
    assert!(
        told.contains(expected) && told.ends_with("take away by hand what carries the label oke-conformance/run=r"),
        "{told}"
    );
    assert!((60..75).contains(&took), "{took} s");
}

#[rstest]
#[case::by_an_authorizer(
    r#"{"kind":"Status","status":"Failure","code":403,"reason":"Forbidden","message":"jobs.batch is forbidden: User \"a\" cannot list resource \"jobs\" in API group \"batch\" at the cluster scope","details":{"group":"batch","kind":"jobs"}}"#,
    true
)]
#[case::by_somebody_on_the_way("<html><body><h1>403 Forbidden</h1></body></html>", false)]
#[tokio::test]
async fn what_may_not_be_looked_for_is_left_and_what_was_not_heard_is_not(
    #[case] answer: &'static str,
    #[case] expected: bool,
) {
    let refused = move |_: Request<Body>| async move {
        let answer = Response::builder().status(403).body(Body::from(answer.as_bytes().to_vec()));
        Ok::<_, BoxError>(answer.unwrap())
    };
    let client = Client::new(service_fn(refused), "default");
    for kind in Kind::controllers() {
        assert_eq!(kind.list(&client, RUN).await.is_ok_and(|found| found.is_empty()), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn namespaces_that_others_hold_are_a_warning() {
    let (swept, took) = swept(discovery_fails).await;
    insta::assert_snapshot!(swept.unwrap().warning.unwrap());
    assert!((15..30).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn what_others_hold_from_before_is_told_and_not_waited_for() {
    let (client, deleted) = server(held_before);
    let start = Instant::now();
    let swept = sweep_all(&client).await.unwrap();
    assert_eq!((swept.runs, start.elapsed().as_secs()), (0, 0));
    assert!(swept.warning.unwrap().contains("n-0 (NamespaceDeletionDiscoveryFailure: "));
    assert!(deleted.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_after_a_minute() {
    let silent = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, BoxError>>());
    let client = Client::new(silent, "default");
    let start = Instant::now();
    let told = sweep(&client, "r", Made { controllers: false, webhooks: false }).await.unwrap_err();
    assert!(
        told.starts_with("the sweep did not finish, 6") && told.contains("the API server does not answer"),
        "{told}"
    );
    assert!((60..76).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_not_accepted_any_more_ends_it_at_once() {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401, "message": "Unauthorized", "reason": "Unauthorized" });
    let refused = service_fn(move |_: Request<Body>| {
        let answer = Response::builder().status(401).body(Body::from(body.to_string().into_bytes()));
        async move { answer.map_err(BoxError::from) }
    });
    let start = Instant::now();
    let told = sweep(&Client::new(refused, "default"), "r", Made { controllers: false, webhooks: false }).await;
    assert!(told.unwrap_err().contains("Unauthorized"));
    assert_eq!(start.elapsed().as_secs(), 0);
}

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
