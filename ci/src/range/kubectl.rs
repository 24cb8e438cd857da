//! kubectl in the control plane's container, as the cluster's administrator: no kubectl is needed on the machine.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::docker::exec;

/// Longer than any single call may take on a slow machine; waits name their own limit.
const LIMIT: Duration = Duration::from_secs(120);

/// Between two looks at what is waited for.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// kubectl for one range.
#[derive(Clone)]
pub(crate) struct Kubectl {
    control_plane: String,
}

impl Kubectl {
    pub(crate) fn new(control_plane: &str) -> Self {
        Self { control_plane: control_plane.to_owned() }
    }

    /// # Errors
    /// When kubectl fails; the error ends with what it said.
    pub(crate) async fn run(&self, args: &[&str]) -> Result<String> {
        self.feed(args, "").await
    }

    /// Runs kubectl with `input` for its `-f -`.
    ///
    /// # Errors
    /// When kubectl fails; the error ends with what it said.
    pub(crate) async fn feed(&self, args: &[&str], input: &str) -> Result<String> {
        let mut command = vec!["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"];
        command.extend(args);
        exec(&self.control_plane, &command, input.as_bytes(), LIMIT).await
    }

    /// Applies manifests and returns the objects as the server has them.
    ///
    /// # Errors
    /// When one of them is refused.
    pub(crate) async fn apply(&self, manifests: &str) -> Result<Vec<Object>> {
        objects(&self.feed(&["apply", "-o", "json", "-f", "-"], manifests).await?)
    }

    /// Deletes what is there of them, and waits until it is gone.
    ///
    /// # Errors
    /// When it is refused, or is still there after a minute.
    pub(crate) async fn delete(&self, what: &[&str]) -> Result<()> {
        self.run(&[&["delete", "--ignore-not-found", "--wait", "--timeout=60s"], what].concat()).await.map(drop)
    }

    /// The objects that manifests name, without making them.
    ///
    /// # Errors
    /// When they cannot be read as manifests.
    pub(crate) async fn read(&self, manifests: &str) -> Result<Vec<Object>> {
        objects(&self.feed(&["create", "--dry-run=client", "-o", "json", "-f", "-"], manifests).await?)
    }

    /// Waits until pods among `objects` are ready, workloads have rolled out, and quotas count: one without a status
    /// bounds nothing yet.
    ///
    /// # Errors
    /// When one is not within `seconds`.
    pub(crate) async fn wait_for(&self, objects: &[Object], seconds: u32) -> Result<()> {
        let within = format!("--timeout={seconds}s");
        for object in objects {
            let name = object.to_string();
            let mut args = match object.kind.as_str() {
                "Pod" => vec!["wait", "--for=condition=Ready", &within, &name],
                "Deployment" | "DaemonSet" | "StatefulSet" => vec!["rollout", "status", &within, &name],
                "ResourceQuota" => vec!["get", "-o", "jsonpath={.status.hard}", &name],
                _ => continue,
            };
            if let Some(namespace) = &object.namespace {
                args.extend(["-n", namespace]);
            }
            let late = || format!("{name} did not become ready within {seconds} s");
            match object.kind.as_str() {
                "ResourceQuota" => {
                    let counts = timeout(Duration::from_secs(seconds.into()), self.until_said(&args));
                    counts.await.with_context(late)?.with_context(late)?;
                }
                _ => drop(self.run(&args).await.with_context(late)?),
            }
        }
        Ok(())
    }

    /// Asks until there is an answer: a kubectl below 1.31 waits for a value, and not for there being one.
    async fn until_said(&self, args: &[&str]) -> Result<()> {
        while self.run(args).await?.is_empty() {
            sleep(AGAIN_AFTER).await;
        }
        Ok(())
    }
}

/// An object's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) kind: String,
    /// With a dot before it, as kubectl wants it behind the kind; empty for the core group.
    group: String,
    pub(crate) namespace: Option<String>,
    name: String,
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}/{}", self.kind.to_lowercase(), self.group, self.name)
    }
}

/// kubectl prints one object as itself and several as a list.
fn objects(json: &str) -> Result<Vec<Object>> {
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    // `create --dry-run` prints one document after the other, `apply` one list.
    let mut found = Vec::new();
    for document in serde_json::Deserializer::from_str(json).into_iter::<Value>() {
        let document = document.context("kubectl gave no JSON")?;
        match document["items"].as_array() {
            Some(items) if document["kind"] == "List" => found.extend(items.iter().filter_map(object)),
            _ => found.extend(object(&document)),
        }
    }
    Ok(found)
}

fn object(json: &Value) -> Option<Object> {
    let (group, version) = json["apiVersion"].as_str()?.rsplit_once('/').unwrap_or_default();
    let group = if group.is_empty() { String::new() } else { format!(".{version}.{group}") };
    Some(Object {
        kind: json["kind"].as_str()?.to_owned(),
        group,
        namespace: json["metadata"]["namespace"].as_str().map(str::to_owned),
        name: json["metadata"]["name"].as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"}}"#;
    const POLICY: &str =
        r#"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"q","namespace":"n"}}"#;

    #[rstest]
    #[case::nothing("", &[])]
    #[case::one(POD, &["pod/p"])]
    #[case::one_after_the_other(&format!("{POD}\n{POLICY}\n"), &["pod/p", "networkpolicy.v1.networking.k8s.io/q"])]
    #[case::a_list(&format!(r#"{{"apiVersion":"v1","kind":"List","items":[{POD},{POLICY}]}}"#), &["pod/p", "networkpolicy.v1.networking.k8s.io/q"])]
    fn objects_are_read_however_kubectl_prints_them(#[case] json: &str, #[case] expected: &[&str]) {
        let found: Vec<_> = objects(json).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }
}
