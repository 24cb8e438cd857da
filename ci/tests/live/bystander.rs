//! Somebody's workload that a run must not touch: a Deployment of two with a PodDisruptionBudget over its whole namespace.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{kubectl, kubectl_with};

const NAMESPACE: &str = "tenant-a";
const NAME: &str = "bystander";
const ALLOWED: &str = "--output=jsonpath={.status.disruptionsAllowed}";

/// The workload, watched from when all of it is there; gone when dropped.
pub struct Bystander {
    over: Arc<AtomicBool>,
    watching: Option<JoinHandle<Vec<String>>>,
}

impl Bystander {
    pub fn new() -> Self {
        kubectl_with(&["apply", "--filename=-"], &manifest().to_string());
        let began = Instant::now();
        while allowed() != "1" {
            assert!(began.elapsed() < Duration::from_secs(60), "the bystander does not come up");
            sleep(Duration::from_millis(200));
        }
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let watching = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !ends.load(Ordering::SeqCst) {
                seen.push(allowed());
                sleep(Duration::from_millis(500));
            }
            seen
        });
        Self { over, watching: Some(watching) }
    }

    /// How many of its pods might have been evicted, each time that it was asked.
    pub fn seen(&mut self) -> Vec<String> {
        self.over.store(true, Ordering::SeqCst);
        self.watching.take().unwrap().join().unwrap()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        for kind in ["deployment", "poddisruptionbudget"] {
            kubectl(&["delete", kind, NAME, "--namespace", NAMESPACE, "--ignore-not-found", "--wait=false"]);
        }
    }
}

fn allowed() -> String {
    kubectl(&["get", "poddisruptionbudget", NAME, "--namespace", NAMESPACE, ALLOWED])
}

/// An image by digest that every node has.
fn image() -> String {
    let images = kubectl(&["get", "nodes", "--output=jsonpath={.items[*].status.images[*].names[*]}"]);
    let pause = images.split_whitespace().find(|name| name.contains("pause") && name.contains("@sha256:"));
    pause.expect("no pause by digest").to_owned()
}

fn manifest() -> Value {
    let of = json!({ "app": NAME });
    let metadata = json!({ "name": NAME, "namespace": NAMESPACE });
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
            "replicas": 2, "selector": { "matchLabels": of },
            "template": { "metadata": { "labels": of }, "spec": {
                "automountServiceAccountToken": false,
                "securityContext": { "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } },
                "containers": [{
                    "name": "pause", "image": image(), "imagePullPolicy": "Never",
                    "resources": { "requests": { "cpu": "10m", "memory": "8Mi" }, "limits": { "cpu": "10m", "memory": "8Mi" } },
                    "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                }],
            } },
        } },
        { "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata,
            "spec": { "selector": {}, "maxUnavailable": 1 } },
    ] })
}
