//! What the cluster is, and what of the run's own was in it.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cluster::plugins::NetworkPlugin;
use crate::standard;

/// What the cluster is, as found before the first attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFacts {
    /// The name it was asked for by: `--cluster NAME`.
    pub name: String,
    /// The API server's address.
    pub server: String,
    /// Its version, as `v1.34.4`.
    pub version: String,
    /// The nodes.
    pub nodes: Vec<NodeFacts>,
    /// The namespaces in scope.
    pub namespaces: Vec<String>,
    /// All others that are looked through.
    #[serde(default)]
    pub out_of_scope: Vec<String>,
    /// Those that nobody looks into, and why: another run's own, or ending.
    #[serde(default)]
    pub left_out: BTreeMap<String, String>,
    /// Network plug-ins whose agents run on the nodes; none where the pods cannot be listed.
    #[serde(default)]
    pub network_plugins: Vec<NetworkPlugin>,
    /// What decides about pods: parts of the API server, then policy engines whose kinds are served.
    #[serde(default)]
    pub admission: Vec<String>,
    /// By namespace in scope, the Pod Security Standard that its labels say is enforced; none where they say nothing.
    #[serde(default)]
    pub pod_security: BTreeMap<String, String>,
}

impl ClusterFacts {
    /// The minor version of Kubernetes 1; the newest that is known here where it cannot be read.
    pub fn minor(&self) -> u32 {
        minor(&self.version)
    }
}

/// The minor version in `v1.34.4`.
pub(crate) fn minor(version: &str) -> u32 {
    let minor = version.trim_start_matches('v').split('.').nth(1);
    // Providers write `1.34+`.
    minor.and_then(|minor| minor.trim_end_matches('+').parse().ok()).unwrap_or(standard::NEWEST)
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Its pool, or its own name where it belongs to none.
    pub pool: String,
    /// As Go spells it: `amd64`, `arm64`.
    pub architecture: String,
    /// `containerd://2.3.7`, `cri-o://1.31.3`.
    pub runtime: String,
    /// Its addresses inside the network.
    pub addresses: Vec<String>,
    /// Its addresses outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// Why no probe can be placed there: not ready, cordoned, virtual, a control plane; none where one can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_probe: Option<String>,
    /// What keeps pods away that do not say they tolerate it: whoever writes a pod may say so, and so does a probe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// What flannel has written there of how its end of the overlay is addressed.
    #[serde(skip)]
    pub overlay: Option<String>,
}

/// Why no probe is placed on a node that nothing can be aimed at either: it has no network of its own, ...
pub const IS_VIRTUAL: &str = "virtual";
/// ... nobody answers there, ...
pub const NOT_READY: &str = "not ready";
/// ... its owner has said so.
pub const LEFT_OUT: &str = "left out by conformance.toml";

/// A node's taint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `NoSchedule`, `NoExecute`.
    pub effect: String,
}

impl NodeFacts {
    /// Why nothing can be aimed at its ports; none where something can.
    pub fn out_of_reach(&self) -> Option<&str> {
        self.without_probe.as_deref().filter(|why| [IS_VIRTUAL, NOT_READY, LEFT_OUT].contains(why))
    }

    /// Whether probes may be placed there.
    pub fn hosts_probes(&self) -> bool {
        self.without_probe.is_none()
    }
}

/// A pool that is in scope and that no probe can be placed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdlePool {
    /// The pool.
    pub pool: String,
    /// Its nodes, each with why.
    pub why: String,
    /// Whether that is what such a pool is, and not how it is at present.
    pub for_good: bool,
}

/// One probe of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its node.
    pub node: String,
    /// Its pod's name, which is the host name that it tells to whom it asks.
    #[serde(default)]
    pub pod: String,
    /// From the request that makes its pod to the pod running, in milliseconds.
    pub running_after_ms: u64,
    /// The containers that somebody else has put beside its own, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strangers: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("v1.34.4", 34)]
    #[case("v1.30.5-gke.1", 30)]
    #[case("1.29+", 29)]
    #[case("unknown", standard::NEWEST)]
    fn which_minor_version(#[case] version: &str, #[case] expected: u32) {
        assert_eq!(minor(version), expected);
    }
}
