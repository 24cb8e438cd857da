//! A port that a Service opens on every node, with probes of the run's own behind it.
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::attempt::packets::reach::{Path, until_open};
use crate::cx::Cx;
use crate::probe::batch::Verb;
use crate::probe::pod::PROBE;
use crate::verdict::NoVerdict;

/// The Service, made once for all scenarios of a run; one that cannot be had is not tried again.
#[derive(Debug, Default)]
pub struct NodePort(OnceCell<Result<u16, NoVerdict>>);

impl Cx {
    /// The node port of a Service of the run's own, in its own namespace, that leads to `port` of the probes there. It is open to them on all
    /// of the addresses `on` by the time it is told, but on those of nodes that take nothing of pods.
    ///
    /// # Errors
    /// Inconclusive where the Service cannot be made, or its port does not open; not applicable where no node takes anything of pods.
    pub async fn node_port(&self, on: &[IpAddr], port: u16) -> Result<u16, NoVerdict> {
        let kept = self.env.memory.of::<NodePort>();
        let opened = kept.0.get_or_init(|| async {
            let probe = self.outside_probe(self.node()?).await?;
            let number = self.open_node_port(&probe.namespace, port).await?;
            let closed = self.closed_nodes().await?;
            let open = on.iter().filter(|to| !closed.contains(to));
            let open: Vec<Path> = open
                .map(|to| Path::new(&probe, Verb::Tcp { to: *to, port: number }, "the node port"))
                .collect();
            if open.is_empty() {
                return Err(NoVerdict::not_applicable(
                    "no node takes anything of pods, not even of one that no policy selects: neither a node port nor its kubelet is reached",
                ));
            }
            let Some(told) = until_open(&open, self.env.traffic.pace()).await? else {
                return Ok(number);
            };
            let why = format!("no control: node port {number} is not open on every node {told}");
            Err(NoVerdict::inconclusive(why))
        });
        opened.await.clone()
    }

    async fn open_node_port(&self, namespace: &str, port: u16) -> Result<u16, NoVerdict> {
        let sandbox = &self.env.sandbox;
        let mut selector = sandbox.labels();
        selector.insert(PROBE.into(), String::new());
        let service = json!({
            "metadata": { "name": "node-port", "labels": sandbox.labels(), "annotations": sandbox.annotations() },
            "spec": {
                "type": "NodePort", "selector": selector, "ports": [{ "port": port }],
                // Nodes may have addresses of both families.
                "ipFamilyPolicy": "PreferDualStack",
                // Probes are never Ready.
                "publishNotReadyAddresses": true,
            },
        });
        let service: Service =
            serde_json::from_value(service).map_err(|error| NoVerdict::inconclusive(error.to_string()))?;
        let made = sandbox.make(namespace, &service).await?;
        let ports = made.spec.into_iter().flat_map(|spec| spec.ports.unwrap_or_default());
        let opened = ports.filter_map(|port| u16::try_from(port.node_port?).ok()).next();
        opened.ok_or_else(|| NoVerdict::inconclusive("the API server gave the Service no node port"))
    }
}
