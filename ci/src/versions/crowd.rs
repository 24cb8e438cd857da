//! A cluster of many namespaces and of many nodes in as many pools, none of which is more than an object: a run that would fill it with probes is
//! refused before it makes anything.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::WHOLE;
use crate::api_server::ApiServer;

const NAMESPACES: usize = 40;
const NODES: usize = 100;
/// What is told of the cluster, and what the refusal must say then, with what mends it: no node gives more than a part of its room, and whoever
/// allows that has not allowed as many pods.
const REFUSALS: [(&str, [&str; 2]); 2] = [
    ("", ["more than a tenth of the 110 pods", "`most-pods-a-node = "]),
    ("most-pods-a-node = 110\n", ["more than 300", "`pool-label`"]),
];

/// Makes them on an API server that is open, which goes afterwards, and asks for a run.
///
/// # Errors
/// When the run is not refused, or has made something.
pub(super) async fn refused(server: &ApiServer, program: &Path) -> Result<()> {
    let kubectl = server.kubectl();
    kubectl.feed(&["create", "--filename=-"], &crowd().to_string()).await.context("the crowd cannot be made")?;
    for (told, says) in REFUSALS {
        let Err(error) = server.run_told(told, program, WHOLE, &[]).await else {
            bail!("a run with {NODES} pools in {NAMESPACES} namespaces is not refused");
        };
        let said = format!("{error:#}");
        let for_that = says.iter().all(|words| said.contains(words));
        ensure!(for_that, "with {NODES} pools in {NAMESPACES} namespaces, not refused for that: {said}");
    }
    let made =
        kubectl.run(&["get", "namespaces,pods", "--all-namespaces", "--selector=oke-conformance/run", "--output=name"]);
    let made = made.await?;
    ensure!(made.trim().is_empty(), "what was refused has made {}", made.trim());
    Ok(())
}

fn crowd() -> Value {
    let namespaces = (0..NAMESPACES).map(|number| {
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": format!("tenant-{number:02}") } })
    });
    let nodes = (0..NODES).map(|number| {
        json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": format!("paper-{number:02}") },
            "status": {
                "addresses": [{ "type": "InternalIP", "address": format!("192.0.2.{}", number + 1) }],
                "allocatable": { "pods": "110" }, "capacity": { "pods": "110" },
                "conditions": [{ "type": "Ready", "status": "True", "reason": "Paper", "message": "" }],
                "nodeInfo": {
                    "architecture": "amd64", "operatingSystem": "linux", "containerRuntimeVersion": "containerd://2",
                    "bootID": "", "kernelVersion": "", "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "",
                    "osImage": "", "systemUUID": "",
                },
            },
        })
    });
    json!({ "apiVersion": "v1", "kind": "List", "items": namespaces.chain(nodes).collect::<Vec<_>>() })
}
