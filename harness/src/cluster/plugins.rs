//! Which network plug-ins and policy engines are at work, from what every reader of the cluster sees: the images of DaemonSets' pods and
//! the API groups that are served. Never a verdict: only attempts are believed.
use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use crate::cluster::discovery::Discovery;

/// A network plug-in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetworkPlugin {
    /// Its name.
    pub name: String,
    /// Whether it enforces NetworkPolicy, by its own documents. OKE's own plug-ins do not (Oracle: "Pod networking").
    pub enforces: bool,
}

/// Part of the image's repository, name, and whether it enforces NetworkPolicy.
const NETWORK: [(&str, &str, bool); 12] = [
    ("kube-router", "kube-router", true),
    ("calico/node", "Calico", true),
    ("calico-node", "Calico", true),
    ("cilium/cilium", "Cilium", true),
    ("antrea", "Antrea", true),
    ("weave-npc", "Weave", true),
    ("kindnetd", "kindnet", true),
    ("network-policy-agent", "AWS network policy agent", true),
    ("amazon-k8s-cni", "Amazon VPC CNI", false),
    ("flannel", "flannel", false),
    ("vcn-native-ip-cni", "OCI VCN-native", false),
    ("oke-public-cni", "OCI VCN-native", false),
];

/// API group, and the engine that serves it.
const ENGINES: [(&str, &str); 4] = [
    ("constraints.gatekeeper.sh", "Gatekeeper"),
    ("templates.gatekeeper.sh", "Gatekeeper"),
    ("kyverno.io", "Kyverno"),
    ("policies.kyverno.io", "Kyverno"),
];

/// The network plug-ins whose agents run on the nodes.
pub fn network(pods: &[Pod]) -> Vec<NetworkPlugin> {
    let agents = pods.iter().filter(|pod| pod.owner_references().iter().any(|owner| owner.kind == "DaemonSet"));
    let images = agents.flat_map(|pod| pod.spec.iter().flat_map(|spec| &spec.containers));
    let known = images.filter_map(|container| {
        let image = container.image.as_deref()?;
        NETWORK.iter().find(|(part, ..)| image.contains(part))
    });
    let found: BTreeSet<NetworkPlugin> =
        known.map(|(_, name, enforces)| NetworkPlugin { name: (*name).into(), enforces: *enforces }).collect();
    found.into_iter().collect()
}

/// The policy engines whose own kinds are served.
pub fn engines(groups: &[String]) -> Vec<String> {
    let known = ENGINES.iter().filter(|(served, _)| groups.iter().any(|group| group == served));
    let found: BTreeSet<&str> = known.map(|(_, name)| *name).collect();
    found.into_iter().map(str::to_owned).collect()
}

/// What decides about pods inside the API server: on by default from 1.23 on, where their kinds are served (in v1 since 1.30 and 1.36), and up to
/// 1.24 where its is.
pub async fn built_in(discovery: &Discovery, minor: u32) -> Vec<String> {
    let policies = discovery.serves("admissionregistration.k8s.io/v1", "validatingadmissionpolicies", "list");
    let mutating = discovery.serves("admissionregistration.k8s.io/v1", "mutatingadmissionpolicies", "list");
    let psp = discovery.serves("policy/v1beta1", "podsecuritypolicies", "list");
    let (policies, mutating, psp) = tokio::join!(policies, mutating, psp);
    let known = [
        ("Pod Security Admission", minor >= 23),
        // Where the API server does not say, what it should have is attempted all the same.
        ("ValidatingAdmissionPolicy", policies.unwrap_or(minor >= 30)),
        ("MutatingAdmissionPolicy", mutating.unwrap_or(minor >= 36)),
        ("PodSecurityPolicy", psp.unwrap_or(false)),
    ];
    known.into_iter().filter(|(_, there)| *there).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::calico("docker.io/calico/node:v3.29.1", Some(("Calico", true)))]
    #[case::oke("iad.ocir.io/axoxdievda5j/oke-public-flannel@sha256:00", Some(("flannel", false)))]
    #[case::something_else("registry.k8s.io/kube-proxy:v1.34.4", None)]
    fn which_plugin(#[case] image: &str, #[case] expected: Option<(&str, bool)>) {
        let pod = |kind: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": { "ownerReferences": [{ "apiVersion": "apps/v1", "kind": kind, "name": "a", "uid": "u" }] },
                "spec": { "containers": [{ "name": "a", "image": image }] },
            }))
            .unwrap()
        };
        let expected: Vec<NetworkPlugin> = expected
            .iter()
            .map(|(name, enforces)| NetworkPlugin { name: (*name).into(), enforces: *enforces })
            .collect();
        assert_eq!(network(&[pod("DaemonSet")]), expected);
        assert_eq!(network(&[pod("ReplicaSet")]), []);
    }

    #[test]
    fn an_engine_is_known_by_what_it_serves() {
        let groups = ["apps", "kyverno.io", "templates.gatekeeper.sh", "constraints.gatekeeper.sh"].map(String::from);
        assert_eq!(engines(&groups), ["Gatekeeper", "Kyverno"]);
        assert_eq!(engines(&["policies.kyverno.io".to_owned()]), ["Kyverno"]);
    }
}
