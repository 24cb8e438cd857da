//! The agent's pod: passes the restricted Pod Security Standard, holds no token, asks for next to nothing, ends by itself.
use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use serde_json::json;

use crate::network_policy::model::Port;
use crate::record::facts::Taint;
use crate::settings::PodSettings;

/// Seconds after which the kubelet ends an agent that nobody has taken away.
pub const DEADLINE_S: u32 = 1800;

/// The label that agents have and nothing else of a run has.
pub const PROBE: &str = "oke-conformance/probe";

/// The container that is the agent, by its name.
pub(crate) const CONTAINER: &str = "agent";
/// A container of the agent's own beside it.
pub(crate) const BESIDE: &str = "beside";

/// An exec into the agent: where somebody has put a container of his own into the pod, it must be named.
pub(crate) fn into_agent() -> AttachParams {
    AttachParams::default().container(CONTAINER)
}

/// What declines the containers that meshes and agents of theirs put into pods, as each of them has it: Istio, Consul, Kuma and Open Service Mesh
/// by a label or an annotation, Linkerd and Vault by an annotation. A proxy beside a probe answers for whoever the probe did not reach.
const DECLINED: [(&str, &str, &str); 8] = [
    ("labels", "sidecar.istio.io/inject", "false"),
    ("annotations", "sidecar.istio.io/inject", "false"),
    ("annotations", "linkerd.io/inject", "disabled"),
    ("annotations", "consul.hashicorp.com/connect-inject", "false"),
    ("labels", "kuma.io/sidecar-injection", "disabled"),
    ("annotations", "kuma.io/sidecar-injection", "disabled"),
    ("annotations", "openservicemesh.io/sidecar-injection", "disabled"),
    ("annotations", "vault.hashicorp.com/agent-inject", "false"),
];

/// What lets the cluster autoscaler take a node away with a pod on it that nobody would make anew.
const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";

/// Where no agent listens: discard, which nobody runs.
pub const NOBODY: u16 = 9;

/// Ports every agent listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// TCP, answering with one line of HTTP.
    pub tcp: Cow<'static, [u16]>,
    /// UDP, echoing.
    pub udp: Cow<'static, [u16]>,
    /// TCP, kept open and echoing.
    pub kept: &'static [u16],
}

/// What an agent's pod is made from.
#[derive(Clone, Debug)]
pub struct AgentPod<'a> {
    /// Pod name.
    pub name: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// The node it must run on.
    pub node: &'a str,
    /// That node's architecture, as Go spells it.
    pub architecture: &'a str,
    /// An image that the node already has; only its filesystem's existence matters.
    pub image: &'a str,
    /// Whether the image may be pulled: only where the user has named it.
    pub pull: bool,
    /// A priority class below everybody's, that never preempts.
    pub priority: &'a str,
    /// The ConfigMap that carries the agent, name and uid: the pod goes when that goes. It is no controller: the disruption controller asks
    /// the kind of a controller for its scale, a ConfigMap has none, and every PodDisruptionBudget that selects the pod would stand at nought.
    pub carrier: (&'a str, &'a str),
    /// What every object of the run carries.
    pub labels: &'a BTreeMap<String, String>,
    /// ... and this too.
    pub annotations: &'a BTreeMap<String, String>,
    /// Ports that have a name, for policies that mean them by it.
    pub named: &'a [Port],
    /// A port of the agent's to which only a container beside it, a native sidecar, gives this name.
    pub beside: Option<Port>,
    /// What the agent does.
    pub args: &'a [String],
    /// Whether it runs on its node's own network.
    pub host_network: bool,
    /// What its node keeps others away with.
    pub taints: &'a [Taint],
    /// What the cluster demands of every pod.
    pub demanded: &'a PodSettings,
}

impl Listening {
    /// These ports.
    pub const fn on(tcp: &'static [u16], udp: &'static [u16]) -> Self {
        Self { tcp: Cow::Borrowed(tcp), udp: Cow::Borrowed(udp), kept: &[] }
    }

    /// ... and these.
    pub fn and(mut self, tcp: &[u16], udp: &[u16]) -> Self {
        for (list, more) in [(&mut self.tcp, tcp), (&mut self.udp, udp)] {
            let more: Vec<u16> = more.iter().copied().filter(|port| !list.contains(port)).collect();
            list.to_mut().extend(more);
        }
        self
    }

    /// The arguments of an agent that listens there until it is ended.
    pub fn serve(&self) -> Vec<String> {
        let tcp = self.tcp.iter().map(|port| format!("tcp:{port}"));
        let udp = self.udp.iter().map(|port| format!("udp:{port}"));
        let kept = self.kept.iter().map(|port| format!("keep:{port}"));
        ["serve".to_owned()].into_iter().chain(tcp).chain(udp).chain(kept).collect()
    }
}

impl AgentPod<'_> {
    /// The manifest.
    ///
    /// # Errors
    /// Where the parts do not make a pod: a bug, reported rather than hidden.
    pub fn manifest(&self) -> Result<Pod, serde_json::Error> {
        let mut manifest = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": self.labels,
                "annotations": self.annotations,
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "ConfigMap", "name": self.carrier.0, "uid": self.carrier.1,
                }],
            },
            "spec": {
                "activeDeadlineSeconds": DEADLINE_S,
                "priorityClassName": self.priority,
                "terminationGracePeriodSeconds": 1,
                "restartPolicy": "Never",
                // Never true: a pod that is never Ready is in no Service's endpoints, whatever its selector.
                "readinessGates": [{ "conditionType": "oke-conformance/never-ready" }],
                "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                    // As a DaemonSet does it: by name, through the scheduler.
                    "nodeSelectorTerms": [{ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [self.node] }] }],
                } } },
                "containers": [{
                    "command": ["/agent/agent"],
                    "args": self.args,
                    // The agent's mark: without it, it attempts nothing that the kernel must refuse.
                    "env": [{ "name": "OKE_CONFORMANCE_PROBE", "value": "pod" }],
                    "volumeMounts": [{ "name": "agent", "mountPath": "/agent", "readOnly": true }],
                }],
                "volumes": [{ "name": "agent", "configMap": {
                    "name": self.carrier.0, "defaultMode": 0o555,
                    "items": [{ "key": self.architecture, "path": "agent" }],
                } }],
            },
        });
        manifest["metadata"]["labels"][PROBE] = "".into();
        manifest["metadata"]["annotations"][SAFE_TO_EVICT] = "true".into();
        harmless(&mut manifest, self.image);
        let named =
            |port: &Port| json!({ "name": port.name, "protocol": port.protocol.name(), "containerPort": port.number });
        if !self.named.is_empty() {
            manifest["spec"]["containers"][0]["ports"] = self.named.iter().map(named).collect();
        }
        if !self.taints.is_empty() {
            // A taint is no boundary: whoever writes a pod writes what it tolerates.
            let tolerated = self.taints.iter().map(|taint| match &taint.value {
                Some(value) => json!({ "key": taint.key, "operator": "Equal", "value": value, "effect": taint.effect }),
                None => json!({ "key": taint.key, "operator": "Exists", "effect": taint.effect }),
            });
            manifest["spec"]["tolerations"] = tolerated.collect();
        }
        if self.host_network {
            manifest["spec"]["hostNetwork"] = true.into();
        } else if self.args.iter().any(|arg| is_below_the_unprivileged(arg)) {
            // One of those that every standard takes for safe: it is the pod's own.
            manifest["spec"]["securityContext"]["sysctls"] =
                json!([{ "name": "net.ipv4.ip_unprivileged_port_start", "value": "0" }]);
        }
        manifest["spec"]["containers"][0]["imagePullPolicy"] = if self.pull { "IfNotPresent" } else { "Never" }.into();
        if let Some(port) = &self.beside {
            let mut sidecar = manifest["spec"]["containers"][0].clone();
            sidecar["name"] = BESIDE.into();
            sidecar["args"] = Listening::on(&[], &[]).serve().into();
            sidecar["ports"] = json!([named(port)]);
            sidecar["restartPolicy"] = "Always".into();
            manifest["spec"]["initContainers"] = json!([sidecar]);
        }
        self.demanded.put_on(&mut manifest);
        serde_json::from_value(manifest)
    }
}

/// Whether an agent needs more than an ordinary user to listen there (ip(7): `ip_unprivileged_port_start`).
fn is_below_the_unprivileged(arg: &str) -> bool {
    arg.split_once(':').and_then(|(_, port)| port.parse().ok()).is_some_and(|port: u16| port < 1024)
}

/// A pod with nothing to object to, never to be run: what admission attempts start from.
///
/// # Errors
/// As [`AgentPod::manifest`].
pub fn plain(
    name: &str,
    namespace: &str,
    image: &str,
    labels: &BTreeMap<String, String>,
    demanded: &PodSettings,
) -> Result<Pod, serde_json::Error> {
    let mut manifest = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "spec": { "containers": [{}] },
    });
    harmless(&mut manifest, image);
    demanded.put_on(&mut manifest);
    serde_json::from_value(manifest)
}

/// Has a pod wait for ever: by a gate, where the server knows gates (KEP-3521), and by a scheduler that nobody runs below, where a gate would be
/// dropped without a word and the pod would run.
pub(crate) fn never_scheduled(spec: &mut serde_json::Value, minor: u32) {
    if minor >= GATES_SINCE {
        spec["schedulingGates"] = json!([{ "name": NEVER }]);
    } else {
        spec["schedulerName"] = "oke-conformance-nobody".into();
    }
}

/// `PodSchedulingReadiness` is on by default from then on.
const GATES_SINCE: u32 = 27;
const NEVER: &str = "oke-conformance/never-scheduled";

/// An ephemeral container with nothing to object to, never to be run: it may have neither resources nor ports nor probes.
pub fn ephemeral(image: &str) -> serde_json::Value {
    let mut pod = json!({ "spec": { "containers": [{}] } });
    harmless(&mut pod, image);
    let mut container = pod["spec"]["containers"][0].take();
    container["name"] = "debugger".into();
    if let Some(container) = container.as_object_mut() {
        container.remove("resources");
    }
    container
}

/// Every field that the restricted standard asks for, and small, equal requests and limits; and nobody's container beside it.
fn harmless(manifest: &mut serde_json::Value, image: &str) {
    for (map, key, value) in DECLINED {
        manifest["metadata"][map][key] = value.into();
    }
    let spec = &mut manifest["spec"];
    spec["automountServiceAccountToken"] = false.into();
    spec["enableServiceLinks"] = false.into();
    spec["securityContext"] = json!({
        "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": { "type": "RuntimeDefault" },
    });
    let container = &mut spec["containers"][0];
    container["name"] = CONTAINER.into();
    container["image"] = image.into();
    container["resources"] = json!({
        "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "cpu": "100m", "memory": "16Mi" },
    });
    container["securityContext"] = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network_policy::model::Protocol;
    use rstest::rstest;

    #[rstest]
    #[case("tcp:443", true)]
    #[case("udp:53", true)]
    #[case("tcp:8080", false)]
    #[case("serve", false)]
    fn what_no_ordinary_user_may_listen_on(#[case] arg: &str, #[case] expected: bool) {
        assert_eq!(is_below_the_unprivileged(arg), expected);
    }

    #[rstest]
    #[case(26, json!({ "schedulerName": "oke-conformance-nobody" }))]
    #[case(27, json!({ "schedulingGates": [{ "name": "oke-conformance/never-scheduled" }] }))]
    fn what_is_never_to_run_waits_on_every_version(#[case] minor: u32, #[case] expected: serde_json::Value) {
        let mut spec = json!({});
        never_scheduled(&mut spec, minor);
        assert_eq!(spec, expected);
    }

    fn labels() -> BTreeMap<String, String> {
        [("oke-conformance/run".to_owned(), "r1".to_owned())].into()
    }

    #[test]
    fn an_agent_is_bounded_unprivileged_and_never_ready() {
        let pod = AgentPod {
            name: "oke-conformance-r1-0",
            namespace: "tenant-a",
            node: "worker",
            architecture: "amd64",
            image: "registry.k8s.io/pause@sha256:0000",
            pull: false,
            priority: "oke-conformance-r1",
            carrier: ("oke-conformance-agent-r1", "uid-1"),
            labels: &labels(),
            annotations: &[("oke-conformance/expires".to_owned(), "2026-01-01T00:00:00Z".to_owned())].into(),
            named: &[],
            beside: None,
            args: &Listening::on(&[8080, 44134], &[8080]).serve(),
            host_network: false,
            taints: &[],
            demanded: &PodSettings::default(),
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&pod.manifest().unwrap()).unwrap());
        let taint = |value: Option<&str>| Taint {
            key: "dedicated".into(),
            value: value.map(str::to_owned),
            effect: "NoSchedule".into(),
        };
        let tolerant = AgentPod { taints: &[taint(Some("gpu")), taint(None)], ..pod.clone() };
        let beside = Port { name: "beside", protocol: Protocol::Tcp, number: 8080 };
        let sidecar = AgentPod { beside: Some(beside), ..pod }.manifest().unwrap().spec.unwrap().init_containers;
        insta::assert_snapshot!(serde_json::to_string_pretty(&sidecar).unwrap());
        let tolerations = serde_json::to_value(tolerant.manifest().unwrap().spec.unwrap().tolerations).unwrap();
        let expected = json!([
            { "key": "dedicated", "operator": "Equal", "value": "gpu", "effect": "NoSchedule" },
            { "key": "dedicated", "operator": "Exists", "effect": "NoSchedule" },
        ]);
        assert_eq!(tolerations, expected);
    }

    #[test]
    fn a_plain_pod_has_nothing_to_object_to() {
        let pod =
            plain("p", "tenant-a", "registry.k8s.io/pause@sha256:0000", &labels(), &PodSettings::default()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&pod).unwrap());
    }
}
