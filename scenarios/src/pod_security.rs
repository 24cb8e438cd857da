//! G3: no pod gets more of its node than it was meant to have. One file for each control of the Pod Security Standards.
use harness::scenario::Guard::{self, AdmissionPolicy, PodSecurity, Psp, Webhook};

/// Whoever keeps the standards: Pod Security Admission, policies in the API server, a policy engine's webhook, and below 1.25 PodSecurityPolicy.
const ENGINES: &[Guard] = &[PodSecurity, AdmissionPolicy, Webhook, Psp];

scenarios! {
    pod_security: privileged, host_pid, host_ipc, host_network, host_ports, host_path, volume_types, run_as_root, run_as_user_zero, privilege_escalation, capabilities_added, capabilities_kept, seccomp_unconfined, apparmor_unconfined, selinux_options, proc_mount_unmasked, sysctls_unsafe, host_process, host_probes,
}
