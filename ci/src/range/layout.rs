//! Where a range's containers ended up: addresses, the published port, who still runs.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use serde_json::Value;

use super::containers::API_PORT_SPEC;
use super::docker::docker;
use super::names::Names;

/// A node's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
}

/// A range whose containers all run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) control_plane: Node,
    pub(crate) workers: [Node; 2],
    pub(crate) metadata: Node,
    pub(crate) api_port: u16,
}

impl Layout {
    /// # Errors
    /// When a container of the range is missing or does not run.
    pub(crate) fn of(names: &Names) -> Result<Self> {
        let [control_plane, first, second] = names.nodes();
        let metadata = names.metadata();
        let json = docker(&["container", "inspect", &control_plane, &first, &second, &metadata])
            .context("a container is missing")?;
        Self::parse(names, &json)
    }

    pub(crate) fn nodes(&self) -> [&Node; 3] {
        [&self.control_plane, &self.workers[0], &self.workers[1]]
    }

    fn parse(names: &Names, json: &str) -> Result<Self> {
        let containers: Vec<Value> = serde_json::from_str(json).context("docker inspect gave no JSON")?;
        let node = |name: String| -> Result<Node> {
            let container = find(&containers, &name)?;
            let address = container["NetworkSettings"]["Networks"][names.network()]["IPAddress"].as_str();
            let address = address.and_then(|address| address.parse().ok());
            let running = container["State"]["Running"].as_bool() == Some(true);
            let address = address.filter(|_| running).with_context(|| format!("container {name} does not run"))?;
            Ok(Node { name, address })
        };
        let control_plane = node(names.control_plane())?;
        let bindings = &find(&containers, &control_plane.name)?["NetworkSettings"]["Ports"][API_PORT_SPEC];
        let api_port = bindings[0]["HostPort"].as_str().and_then(|port| port.parse().ok());
        let [first, second] = names.workers();
        Ok(Self {
            api_port: api_port.with_context(|| format!("container {} publishes no API port", control_plane.name))?,
            control_plane,
            workers: [node(first)?, node(second)?],
            metadata: node(names.metadata())?,
        })
    }
}

fn find<'a>(containers: &'a [Value], name: &str) -> Result<&'a Value> {
    containers
        .iter()
        .find(|container| container["Name"].as_str().is_some_and(|found| found.trim_start_matches('/') == name))
        .with_context(|| format!("container {name} does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn inspected(second_worker_runs: bool) -> String {
        let container = |name: &str, address: &str, running: bool| {
            json!({
                "Name": format!("/{name}"),
                "State": { "Running": running },
                "NetworkSettings": {
                    "Networks": { "oke-conformance-range": { "IPAddress": address } },
                    "Ports": { "6443/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "32768" }] },
                },
            })
        };
        json!([
            container("range-control-plane", "172.18.0.2", true),
            container("range-worker", "172.18.0.4", true),
            container("range-worker2", "172.18.0.3", second_worker_runs),
            container("range-metadata", "172.18.0.5", true),
        ])
        .to_string()
    }

    #[test]
    fn addresses_and_port_are_read() {
        let layout = Layout::parse(&Names::new("range").unwrap(), &inspected(true)).unwrap();
        assert_eq!(layout.api_port, 32768);
        assert_eq!(layout.workers[1].address, Ipv4Addr::new(172, 18, 0, 3));
    }

    #[test]
    fn a_dead_container_is_named() {
        let error = Layout::parse(&Names::new("range").unwrap(), &inspected(false)).unwrap_err();
        assert_eq!(error.to_string(), "container range-worker2 does not run");
    }
}
