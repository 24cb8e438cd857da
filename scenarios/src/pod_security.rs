//! G3: no pod gets more of its node than it was meant to have. One file for each control of the Pod Security Standards.
use harness::scenario::Guard::{self, AdmissionPolicy, Plugin, PodSecurity, Psp, Webhook};
use k8s_openapi::api::core::v1::{Pod, SecurityContext};

mod psp;

/// Whoever keeps the standards: Pod Security Admission, policies in the API server, a policy engine's webhook, and below 1.25 PodSecurityPolicy.
pub(crate) const ENGINES: &[Guard] = &[PodSecurity, AdmissionPolicy, Webhook, Psp, Plugin];

/// The pod with privileged containers.
fn privileged(mut pod: Pod) -> Pod {
    for container in pod.spec.iter_mut().flat_map(|spec| &mut spec.containers) {
        let context = container.security_context.get_or_insert_with(SecurityContext::default);
        context.privileged = Some(true);
        // The API server itself refuses the two together: a bad argument, and no guard's work.
        context.allow_privilege_escalation = None;
    }
    pod
}

scenarios! {
    pod_security: privileged, host_pid, host_ipc, host_network, host_ports, host_path, volume_types, run_as_root, run_as_user_zero, privilege_escalation, capabilities_added, capabilities_kept, seccomp_unconfined, apparmor_unconfined, selinux_options, proc_mount_unmasked, sysctls_unsafe, host_process, host_probes, ephemeral_container, through_controllers,
    exempt_namespaces_known, new_namespace_born_safe, labels_locked, psp_enforced, psp_use_authorised, psp_admission_on, runtime_contained,
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::standard;
    use std::collections::BTreeSet;

    #[test]
    fn one_attribute_differs() {
        let plain: Pod = serde_json::from_value(serde_json::json!({ "spec": { "containers": [{
            "name": "a", "securityContext": { "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false },
        }] } }))
        .unwrap();
        let pod = serde_json::to_value(privileged(plain)).unwrap();
        let expected = serde_json::json!({ "readOnlyRootFilesystem": true, "privileged": true });
        assert_eq!(pod["spec"]["containers"][0]["securityContext"], expected);
    }

    #[test]
    fn every_control_of_the_standards_has_its_scenario() {
        let ids: BTreeSet<String> = entries().into_iter().map(|entry| entry.id).collect();
        for (name, _) in standard::ALL {
            assert!(ids.contains(&format!("pod_security/{name}")), "{name} is attempted by no scenario");
        }
    }
}
