//! The values, in one place.
use super::Place::{Init, Pod, Same};
use super::Stands::{InContainers, InLastingContainers, InPod, InPodAndContainers};
use super::{Change, Control, Field};

/// The newest minor version of Kubernetes that this catalogue was held against.
pub const NEWEST: u32 = 37;

/// A control with one kind of field that is forbidden in every version.
const fn control(named: &'static [&'static str], fields: &'static [Field]) -> Control {
    Control { named, since: 0, restricted_alone_since: None, base: &[], fields }
}

const fn field(stands: super::Stands, path: &'static str, forbidden: &'static [&'static str]) -> Field {
    Field { stands, path, forbidden, since: 0, until: None, along: &[] }
}

/// Baseline. The API server itself refuses `privileged` beside `allowPrivilegeEscalation: false`.
pub static PRIVILEGED: Control = control(
    &["privileged"],
    &[Field {
        along: &[Change(Same, "securityContext/allowPrivilegeEscalation", "")],
        ..field(InContainers, "securityContext/privileged", &["true"])
    }],
);

/// Baseline.
pub static HOST_PID: Control = control(&["host namespaces"], &[field(InPod, "spec/hostPID", &["true"])]);

/// Baseline.
pub static HOST_IPC: Control = control(&["host namespaces"], &[field(InPod, "spec/hostIPC", &["true"])]);

/// Baseline.
pub static HOST_NETWORK: Control = control(&["host namespaces"], &[field(InPod, "spec/hostNetwork", &["true"])]);

/// Baseline.
pub static HOST_PORTS: Control = control(
    &["hostPort"],
    &[field(
        InLastingContainers,
        "ports",
        &[
            r#"[{"containerPort":8080,"hostPort":8080,"protocol":"TCP"}]"#,
            r#"[{"containerPort":5353,"hostPort":5353,"protocol":"UDP"}]"#,
            r#"[{"containerPort":8080,"protocol":"TCP"},{"containerPort":8081,"hostPort":8081,"protocol":"TCP"}]"#,
        ],
    )],
);

/// Baseline; restricted counts it among the volume types.
pub static HOST_PATH: Control = control(
    &["hostPath volumes", "restricted volume types"],
    &[field(
        InPod,
        "spec/volumes",
        &[
            r#"[{"name":"v","hostPath":{"path":"/"}}]"#,
            r#"[{"name":"v","hostPath":{"path":"/etc/kubernetes","type":"Directory"}}]"#,
            r#"[{"name":"v","hostPath":{"path":"/run/containerd/containerd.sock","type":"Socket"}}]"#,
            r#"[{"name":"v","hostPath":{"path":"/dev/kmsg","type":"CharDevice"}}]"#,
            r#"[{"name":"w","emptyDir":{}},{"name":"v","hostPath":{"path":"/"}}]"#,
        ],
    )],
);

/// Restricted: whatever is not configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected or secret.
pub static VOLUME_TYPES: Control = control(
    &["restricted volume types"],
    &[field(
        InPod,
        "spec/volumes",
        &[
            r#"[{"name":"v","awsElasticBlockStore":{"volumeID":"v"}}]"#,
            r#"[{"name":"v","azureDisk":{"diskName":"d","diskURI":"/subscriptions/s","cachingMode":"None","fsType":"ext4","kind":"Managed","readOnly":false}}]"#,
            r#"[{"name":"v","azureFile":{"secretName":"s","shareName":"s"}}]"#,
            r#"[{"name":"v","cephfs":{"monitors":["192.0.2.1"],"user":"u","path":"/"}}]"#,
            r#"[{"name":"v","cinder":{"volumeID":"v"}}]"#,
            r#"[{"name":"v","fc":{"targetWWNs":["5000000000000000"],"lun":0}}]"#,
            r#"[{"name":"v","flexVolume":{"driver":"a/b"}}]"#,
            r#"[{"name":"v","flocker":{"datasetName":"d"}}]"#,
            r#"[{"name":"v","gcePersistentDisk":{"pdName":"p"}}]"#,
            r#"[{"name":"v","gitRepo":{"repository":"r"}}]"#,
            r#"[{"name":"v","glusterfs":{"endpoints":"e","path":"p"}}]"#,
            r#"[{"name":"v","iscsi":{"targetPortal":"192.0.2.1","iqn":"iqn.2015-02.example:t","lun":0,"iscsiInterface":"default"}}]"#,
            r#"[{"name":"v","nfs":{"server":"192.0.2.1","path":"/"}}]"#,
            r#"[{"name":"v","photonPersistentDisk":{"pdID":"p"}}]"#,
            r#"[{"name":"v","portworxVolume":{"volumeID":"v"}}]"#,
            r#"[{"name":"v","quobyte":{"registry":"192.0.2.1:80","volume":"v"}}]"#,
            r#"[{"name":"v","rbd":{"monitors":["192.0.2.1"],"image":"i","pool":"rbd","user":"admin","keyring":"/etc/ceph/keyring"}}]"#,
            r#"[{"name":"v","scaleIO":{"gateway":"g","system":"s","volumeName":"v","secretRef":{"name":"s"},"storageMode":"ThinProvisioned","fsType":"xfs"}}]"#,
            r#"[{"name":"v","storageos":{"volumeName":"v","volumeNamespace":"n"}}]"#,
            r#"[{"name":"v","vsphereVolume":{"volumePath":"v"}}]"#,
            r#"[{"name":"w","emptyDir":{}},{"name":"v","nfs":{"server":"192.0.2.1","path":"/"}}]"#,
        ],
    )],
);

/// Restricted: said to run as root, or not said not to.
pub static RUN_AS_ROOT: Control = control(
    &["runAsNonRoot != true"],
    &[
        field(InPod, "spec/securityContext/runAsNonRoot", &["false", ""]),
        field(InContainers, "securityContext/runAsNonRoot", &["false"]),
    ],
);

/// Restricted, since 1.23.
pub static RUN_AS_USER_ZERO: Control = Control {
    since: 23,
    ..control(&["runAsUser=0"], &[field(InPodAndContainers, "securityContext/runAsUser", &["0"])])
};

/// Restricted.
pub static PRIVILEGE_ESCALATION: Control = control(
    &["allowPrivilegeEscalation != false"],
    &[field(InContainers, "securityContext/allowPrivilegeEscalation", &["true", ""])],
);

/// Baseline: every capability of Linux 6 (include/uapi/linux/capability.h) that is not in the default set, and all of them at once; in other
/// spellings too, for runtimes put them in capitals (containerd) or know the prefix (CRI-O); and behind one that may be added.
pub static CAPABILITIES_ADDED: Control = control(
    &["non-default capabilities", "unrestricted capabilities"],
    &[field(
        InContainers,
        "securityContext/capabilities/add",
        &[
            r#"["ALL"]"#,
            r#"["AUDIT_CONTROL"]"#,
            r#"["AUDIT_READ"]"#,
            r#"["BLOCK_SUSPEND"]"#,
            r#"["BPF"]"#,
            r#"["CHECKPOINT_RESTORE"]"#,
            r#"["DAC_READ_SEARCH"]"#,
            r#"["IPC_LOCK"]"#,
            r#"["IPC_OWNER"]"#,
            r#"["LEASE"]"#,
            r#"["LINUX_IMMUTABLE"]"#,
            r#"["MAC_ADMIN"]"#,
            r#"["MAC_OVERRIDE"]"#,
            r#"["NET_ADMIN"]"#,
            r#"["NET_BROADCAST"]"#,
            r#"["NET_RAW"]"#,
            r#"["PERFMON"]"#,
            r#"["SYS_ADMIN"]"#,
            r#"["SYS_BOOT"]"#,
            r#"["SYS_MODULE"]"#,
            r#"["SYS_NICE"]"#,
            r#"["SYS_PACCT"]"#,
            r#"["SYS_PTRACE"]"#,
            r#"["SYS_RAWIO"]"#,
            r#"["SYS_RESOURCE"]"#,
            r#"["SYS_TIME"]"#,
            r#"["SYS_TTY_CONFIG"]"#,
            r#"["SYSLOG"]"#,
            r#"["WAKE_ALARM"]"#,
            r#"["all"]"#,
            r#"["sys_admin"]"#,
            r#"["CAP_NET_ADMIN"]"#,
            r#"["NET_BIND_SERVICE","SYS_ADMIN"]"#,
        ],
    )],
);

/// Restricted, since 1.22: all are dropped, and of the default set none but NET_BIND_SERVICE comes back.
pub static CAPABILITIES_KEPT: Control = Control {
    since: 22,
    ..control(
        &["unrestricted capabilities"],
        &[
            field(InContainers, "securityContext/capabilities/drop", &["", "[]", r#"["NET_RAW"]"#]),
            field(
                InContainers,
                "securityContext/capabilities/add",
                &[
                    r#"["AUDIT_WRITE"]"#,
                    r#"["CHOWN"]"#,
                    r#"["DAC_OVERRIDE"]"#,
                    r#"["FOWNER"]"#,
                    r#"["FSETID"]"#,
                    r#"["KILL"]"#,
                    r#"["MKNOD"]"#,
                    r#"["SETFCAP"]"#,
                    r#"["SETGID"]"#,
                    r#"["SETPCAP"]"#,
                    r#"["SETUID"]"#,
                    r#"["SYS_CHROOT"]"#,
                    r#"["chown"]"#,
                    r#"["NET_BIND_SERVICE","CHOWN"]"#,
                ],
            ),
        ],
    )
};

/// Baseline: Unconfined. Restricted, since 1.19: not said at all.
pub static SECCOMP_UNCONFINED: Control = Control {
    since: 19,
    ..control(
        &["seccompProfile"],
        &[
            field(InPodAndContainers, "securityContext/seccompProfile", &[r#"{"type":"Unconfined"}"#]),
            field(InPod, "spec/securityContext/seccompProfile", &[""]),
        ],
    )
};

/// Baseline; the fields since 1.30, the annotation before (KEP-24).
pub static APPARMOR_UNCONFINED: Control = control(
    &["forbidden AppArmor profile", "forbidden AppArmor profiles"],
    &[
        Field {
            since: 30,
            ..field(InPodAndContainers, "securityContext/appArmorProfile", &[r#"{"type":"Unconfined"}"#])
        },
        field(
            InPod,
            "metadata/annotations/container.apparmor.security.beta.kubernetes.io~1agent",
            &[r#""unconfined""#],
        ),
    ],
);

/// Baseline: a type beyond those of containers, any user, any role.
pub static SELINUX_OPTIONS: Control = control(
    &["seLinuxOptions"],
    &[
        field(
            InPodAndContainers,
            "securityContext/seLinuxOptions",
            &[
                r#"{"type":"spc_t"}"#,
                r#"{"type":"unconfined_t"}"#,
                r#"{"type":"container_runtime_t"}"#,
                r#"{"type":"kernel_t"}"#,
                r#"{"user":"system_u"}"#,
                r#"{"user":"unconfined_u"}"#,
                r#"{"role":"system_r"}"#,
                r#"{"role":"sysadm_r"}"#,
            ],
        ),
        // Allowed from 1.31 on.
        Field {
            until: Some(30),
            ..field(InPodAndContainers, "securityContext/seLinuxOptions", &[r#"{"type":"container_engine_t"}"#])
        },
    ],
);

/// Baseline until 1.34, restricted from then on. The API server takes it only in a user namespace, and before 1.33 drops it (the feature gate
/// `ProcMountType` is off).
pub static PROC_MOUNT_UNMASKED: Control = Control {
    since: 33,
    restricted_alone_since: Some(35),
    base: &[Change(Pod, "spec/hostUsers", "false")],
    ..control(&["procMount"], &[field(InContainers, "securityContext/procMount", &[r#""Unmasked""#])])
};

/// Baseline: a sample of those that are not namespaced or not isolated, and those that were not in the safe set of older versions.
pub static SYSCTLS_UNSAFE: Control = control(
    &["forbidden sysctls"],
    &[
        field(
            InPod,
            "spec/securityContext/sysctls",
            &[
                r#"[{"name":"kernel.msgmax","value":"65536"}]"#,
                r#"[{"name":"kernel.sem","value":"32000 1024000000 500 32000"}]"#,
                r#"[{"name":"kernel.shmmax","value":"1"}]"#,
                r#"[{"name":"kernel.core_pattern","value":"core"}]"#,
                r#"[{"name":"kernel.modprobe","value":"/x"}]"#,
                r#"[{"name":"fs.mqueue.msg_max","value":"100"}]"#,
                r#"[{"name":"net.core.somaxconn","value":"1024"}]"#,
                r#"[{"name":"net.ipv4.ip_forward","value":"1"}]"#,
                r#"[{"name":"net.ipv4.conf.all.route_localnet","value":"1"}]"#,
                r#"[{"name":"net.ipv6.conf.all.accept_ra","value":"2"}]"#,
                r#"[{"name":"vm.overcommit_memory","value":"1"}]"#,
                r#"[{"name":"kernel.shm_rmid_forced","value":"1"},{"name":"kernel.core_pattern","value":"core"}]"#,
            ],
        ),
        safe_from(27, &[r#"[{"name":"net.ipv4.ip_local_reserved_ports","value":"1"}]"#]),
        safe_from(
            29,
            &[
                r#"[{"name":"net.ipv4.tcp_keepalive_time","value":"1"}]"#,
                r#"[{"name":"net.ipv4.tcp_fin_timeout","value":"1"}]"#,
                r#"[{"name":"net.ipv4.tcp_keepalive_intvl","value":"1"}]"#,
                r#"[{"name":"net.ipv4.tcp_keepalive_probes","value":"1"}]"#,
            ],
        ),
        safe_from(
            32,
            &[
                r#"[{"name":"net.ipv4.tcp_rmem","value":"4096 4096 4096"}]"#,
                r#"[{"name":"net.ipv4.tcp_wmem","value":"4096 4096 4096"}]"#,
            ],
        ),
        safe_from(
            37,
            &[
                r#"[{"name":"net.ipv4.tcp_slow_start_after_idle","value":"0"}]"#,
                r#"[{"name":"net.ipv4.tcp_notsent_lowat","value":"1"}]"#,
            ],
        ),
    ],
);

const fn safe_from(minor: u32, values: &'static [&'static str]) -> Field {
    Field { until: Some(minor - 1), ..field(InPod, "spec/securityContext/sysctls", values) }
}

/// Baseline. The API server takes it only for a pod on the host's network, so that this one changes along.
pub static HOST_PROCESS: Control = control(
    &["hostProcess"],
    &[Field {
        along: &[Change(Pod, "spec/hostNetwork", "true")],
        ..field(InPod, "spec/securityContext/windowsOptions", &[r#"{"hostProcess":true}"#])
    }],
);

const GET: &str = r#"{"httpGet":{"host":"192.0.2.1","port":80,"path":"/"}}"#;
const CONNECT: &str = r#"{"tcpSocket":{"host":"192.0.2.1","port":80}}"#;

/// Baseline, since 1.34: a probe or handler that names a host makes the kubelet ask it from the node. The init container is one that
/// stays, for others have no probes.
pub static HOST_PROBES: Control = Control {
    since: 34,
    base: &[Change(Init, "restartPolicy", r#""Always""#)],
    ..control(
        &["probe or lifecycle host"],
        &[
            field(InLastingContainers, "livenessProbe", &[GET, CONNECT]),
            field(InLastingContainers, "readinessProbe", &[GET, CONNECT]),
            field(InLastingContainers, "startupProbe", &[GET, CONNECT]),
            field(InLastingContainers, "lifecycle/postStart", &[GET]),
            field(InLastingContainers, "lifecycle/preStop", &[GET]),
        ],
    )
};

/// Those with which a pod owns its node: a namespace that admits one of them admits everything.
pub static OWNING_THE_NODE: [&Control; 5] = [&PRIVILEGED, &HOST_PID, &HOST_IPC, &HOST_NETWORK, &HOST_PATH];

/// All of them, by the name of the scenario that attempts each.
pub static ALL: [(&str, &Control); 19] = [
    ("privileged", &PRIVILEGED),
    ("host-pid", &HOST_PID),
    ("host-ipc", &HOST_IPC),
    ("host-network", &HOST_NETWORK),
    ("host-ports", &HOST_PORTS),
    ("host-path", &HOST_PATH),
    ("volume-types", &VOLUME_TYPES),
    ("run-as-root", &RUN_AS_ROOT),
    ("run-as-user-zero", &RUN_AS_USER_ZERO),
    ("privilege-escalation", &PRIVILEGE_ESCALATION),
    ("capabilities-added", &CAPABILITIES_ADDED),
    ("capabilities-kept", &CAPABILITIES_KEPT),
    ("seccomp-unconfined", &SECCOMP_UNCONFINED),
    ("apparmor-unconfined", &APPARMOR_UNCONFINED),
    ("selinux-options", &SELINUX_OPTIONS),
    ("proc-mount-unmasked", &PROC_MOUNT_UNMASKED),
    ("sysctls-unsafe", &SYSCTLS_UNSAFE),
    ("host-process", &HOST_PROCESS),
    ("host-probes", &HOST_PROBES),
];
