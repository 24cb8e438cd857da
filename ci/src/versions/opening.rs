//! How an API server is hardened, and opened again: nobody's rights change by it, and the same people deploy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::api_server::ApiServer;
use crate::range::kubectl::Object;

/// What keeps something. Of the rest of a hardening, namespaces lose their labels, and accounts and roles stay.
const KEEPERS: [&str; 5] =
    ["LimitRange", "NetworkPolicy", "ResourceQuota", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];

/// Which version serves admission policies first.
const POLICIES_SINCE: u32 = 30;
const MARKER: &str = include_str!("../../versions/marker.yaml");
/// What it refuses.
const MARKED: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"marker","namespace":"tenant-a"}}"#;
/// Policies are taken up once a second.
const ACT_WITHIN: Duration = Duration::from_secs(30);

/// Hardens it, until all of it acts.
///
/// # Errors
/// When something of it is refused, or does not act.
pub(super) async fn harden(server: &ApiServer) -> Result<Vec<Object>> {
    let hardening = server.harden().await?;
    if server.version.minor() >= POLICIES_SINCE {
        server.kubectl().apply(MARKER).await?;
        until_marked(server, true).await?;
    }
    Ok(hardening)
}

/// Takes away what `hardening` keeps, until none of it acts.
///
/// # Errors
/// When it does not go.
pub(super) async fn open(server: &ApiServer, hardening: &[Object]) -> Result<()> {
    let kubectl = server.kubectl();
    let mut keepers: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for object in hardening.iter().filter(|object| KEEPERS.contains(&object.kind.as_str())) {
        keepers.entry(object.namespace.as_deref()).or_default().push(object.to_string());
    }
    for (namespace, names) in &keepers {
        let place = namespace.map(|namespace| format!("--namespace={namespace}"));
        let what: Vec<&str> = names.iter().map(String::as_str).chain(place.as_deref()).collect();
        kubectl.delete(&what).await?;
    }
    let labels = ["enforce", "warn", "audit"].map(|mode| format!("pod-security.kubernetes.io/{mode}-"));
    let [enforce, warn, audit] = &labels;
    kubectl.run(&["label", "namespaces", "--all", enforce, warn, audit]).await?;
    if !server.version.plug_ins.is_empty() {
        server.restart(&[]).await?;
    }
    if server.version.minor() >= POLICIES_SINCE {
        let marker = ["validatingadmissionpolicybinding/marker", "validatingadmissionpolicy/marker"];
        kubectl.delete(&marker).await?;
        until_marked(server, false).await?;
    }
    Ok(())
}

async fn until_marked(server: &ApiServer, acts: bool) -> Result<()> {
    let (start, kubectl) = (Instant::now(), server.kubectl());
    let refused = async || kubectl.feed(&["create", "--dry-run=server", "-f", "-"], MARKED).await.is_err();
    while refused().await != acts {
        let word = if acts { "act" } else { "go" };
        ensure!(start.elapsed() < ACT_WITHIN, "admission policies do not {word} within {} s", ACT_WITHIN.as_secs());
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
