//! What a pod asks of the runtime. Of the pod as it was admitted: mutation may have changed what was sent.
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, SecurityContext};

use crate::probe::pod::{BESIDE, CONTAINER};

/// What the agent's container of an admitted pod asks for: somebody may have put one of his own before it. Where it asks for nothing, the runtime owes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The pod's host name.
    pub hostname: String,
    /// `runAsUser`.
    pub user: Option<i64>,
    /// `runAsGroup`.
    pub group: Option<i64>,
    /// `allowPrivilegeEscalation: false`.
    pub no_new_privileges: bool,
    /// The seccomp profile's type, other than `Unconfined`.
    pub seccomp: Option<String>,
    /// `readOnlyRootFilesystem`.
    pub read_only_root: bool,
    /// `capabilities.drop: [ALL]`, and none added.
    pub no_capability: bool,
    /// Not `privileged`: no device of the node, and the paths masked that the runtime masks.
    pub unprivileged: bool,
    /// The kinds of namespace it does not share with the node, as /proc/self/ns names them.
    pub namespaces: Vec<&'static str>,
    /// The containers that stay beside the agent's and that this run has not asked for, by name: a mesh's, whose word on a connection may come
    /// before its listener's.
    pub strangers: Vec<String>,
}

impl Asked {
    /// Reads an admitted pod.
    pub fn of(pod: &Pod) -> Self {
        let Some(spec) = &pod.spec else { return Self::default() };
        let outer = spec.security_context.clone().unwrap_or_default();
        let inner: SecurityContext =
            agents(spec).and_then(|container| container.security_context.clone()).unwrap_or_default();
        let capabilities = inner.capabilities.unwrap_or_default();
        let drops_all = capabilities.drop.iter().flatten().any(|name| name.eq_ignore_ascii_case("ALL"));
        let profile = inner.seccomp_profile.or(outer.seccomp_profile).map(|profile| profile.type_);
        let shared = [
            ("pid", spec.host_pid.or(spec.share_process_namespace) == Some(true)),
            ("ipc", spec.host_ipc == Some(true)),
            ("uts", spec.host_network == Some(true)),
            ("net", spec.host_network == Some(true)),
            ("mnt", false),
            ("user", spec.host_users != Some(false)),
        ];
        Self {
            hostname: spec.hostname.clone().or_else(|| pod.metadata.name.clone()).unwrap_or_default(),
            user: inner.run_as_user.or(outer.run_as_user),
            group: inner.run_as_group.or(outer.run_as_group),
            no_new_privileges: inner.allow_privilege_escalation == Some(false),
            seccomp: profile.filter(|kind| kind != "Unconfined"),
            read_only_root: inner.read_only_root_filesystem == Some(true),
            no_capability: drops_all && capabilities.add.is_none_or(|added| added.is_empty()),
            unprivileged: inner.privileged != Some(true),
            namespaces: shared.into_iter().filter(|(_, shared)| !shared).map(|(kind, _)| kind).collect(),
            strangers: strangers(spec),
        }
    }
}

fn strangers(spec: &PodSpec) -> Vec<String> {
    let stays = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let inits = spec.init_containers.iter().flatten().filter(stays);
    let all = inits.chain(&spec.containers).map(|container| container.name.as_str());
    all.filter(|name| ![CONTAINER, BESIDE].contains(name)).map(str::to_owned).collect()
}

fn agents(spec: &PodSpec) -> Option<&Container> {
    let named = spec.containers.iter().find(|container| container.name == CONTAINER);
    named.or_else(|| spec.containers.first())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_container_overrides_its_pod() {
        let pod = json!({
            "metadata": { "name": "p" },
            "spec": {
                "hostNetwork": true,
                "securityContext": { "runAsUser": 1, "runAsGroup": 2, "seccompProfile": { "type": "RuntimeDefault" } },
                "containers": [{ "name": "c", "securityContext": {
                    "runAsUser": 3, "seccompProfile": { "type": "Unconfined" },
                    "capabilities": { "drop": ["ALL"], "add": ["NET_RAW"] },
                } }],
            },
        });
        let asked = Asked::of(&serde_json::from_value(pod).unwrap());
        assert_eq!((asked.user, asked.group, asked.seccomp), (Some(3), Some(2), None));
        assert!(!asked.no_capability && !asked.no_new_privileges && !asked.read_only_root && asked.unprivileged);
        assert_eq!(asked.namespaces, ["pid", "ipc", "mnt"]);
    }

    #[test]
    fn who_stays_beside_the_agent() {
        let pod = json!({ "spec": {
            "initContainers": [{ "name": "mesh-init" }, { "name": "mesh-native", "restartPolicy": "Always" }, { "name": BESIDE, "restartPolicy": "Always" }],
            "containers": [{ "name": "mesh-proxy" }, { "name": CONTAINER }],
        } });
        assert_eq!(Asked::of(&serde_json::from_value(pod).unwrap()).strangers, ["mesh-native", "mesh-proxy"]);
    }
}
