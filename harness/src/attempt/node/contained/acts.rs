//! The agent's acts (`harness/agent/src/verbs/kernel/acts.rs`), and how each is judged.

/// The same call without what is forbidden about it.
pub enum Twin {
    /// There is none.
    None,
    /// It must succeed, or the act's refusal proves nothing.
    Needed,
    /// Some runtimes' profiles close the whole call, twin included.
    Helpful,
}

/// One act.
pub struct Act {
    /// As the agent knows it.
    pub name: &'static str,
    /// What it would be, for the reader: "the kernel lets it ...".
    pub what: &'static str,
    /// Its twin.
    pub twin: Twin,
    /// Whether it must be refused. What one of the usual runtimes' own default profile lets through is only told.
    pub judged: bool,
    /// Errors that say that there is nothing to be had here.
    pub lacking: &'static [&'static str],
}

const fn act(name: &'static str, what: &'static str) -> Act {
    Act { name, what, twin: Twin::None, judged: true, lacking: &[] }
}

/// A path that may not be there.
const fn path(name: &'static str, what: &'static str) -> Act {
    Act { lacking: &["ENOENT"], ..act(name, what) }
}

impl Act {
    const fn twin(self, twin: Twin) -> Self {
        Self { twin, ..self }
    }

    const fn only_told(self) -> Self {
        Self { judged: false, ..self }
    }

    const fn lacking(self, lacking: &'static [&'static str]) -> Self {
        Self { lacking, ..self }
    }
}

/// A limit of 0 (`user.max_user_namespaces`) is told as ENOSPC, in older kernels as EUSERS.
const NO_USER_NAMESPACES: &[&str] = &["ENOSPC", "E87"];

/// In the agent's order.
pub const ACTS: [Act; 42] = [
    act("unshare-user", "make a user namespace, with every capability in it").lacking(NO_USER_NAMESPACES),
    // containers/common's default, which CRI-O takes, closes unshare and leaves clone open.
    act("clone-user", "start a process in a user namespace of its own")
        .twin(Twin::Needed)
        .only_told()
        .lacking(NO_USER_NAMESPACES),
    act("unshare-mounts", "make a mount namespace"),
    act("mount-tmpfs", "mount a file system"),
    act("mount-bind", "mount one directory over another"),
    act("fsopen", "prepare a file system to be mounted"),
    act("mknod-device", "make a device node").twin(Twin::Needed),
    act("socket-raw", "open a raw socket").twin(Twin::Needed),
    act("socket-packet", "open a packet socket").twin(Twin::Needed),
    // The option needs CONFIG_CHECKPOINT_RESTORE.
    act("ptrace-suspend-seccomp", "lift the seccomp filter of a process it traces")
        .twin(Twin::Helpful)
        .lacking(&["EINVAL"]),
    // ... and keyctl, too.
    act("keyctl", "ask for a keyring").only_told(),
    act("add-key", "put a key into the kernel's keyring"),
    act("bpf", "make a bpf map"),
    act("perf", "open a perf event"),
    act("chroot", "change its root").twin(Twin::Needed),
    act("setuid-root", "become root").twin(Twin::Needed),
    act("setgid-root", "become root's group").twin(Twin::Needed),
    act("init-module", "load a kernel module"),
    act("write-root", "write to the root file system").twin(Twin::Needed),
    path("write-proc-sys", "open /proc/sys/kernel/core_pattern for writing").twin(Twin::Needed),
    path("write-sysrq", "open /proc/sysrq-trigger for writing").twin(Twin::Needed),
    path("write-sys", "open /sys/kernel/rcu_expedited for writing").twin(Twin::Needed),
    path("write-uevent-helper", "open /sys/kernel/uevent_helper for writing").twin(Twin::Needed),
    path("make-cgroup", "make a cgroup").twin(Twin::Needed),
    path("unmask-kcore", "read /proc/kcore"),
    path("unmask-keys", "read /proc/keys"),
    path("unmask-timers", "read /proc/timer_list"),
    path("unmask-latencies", "read /proc/latency_stats"),
    path("unmask-scheduler", "read /proc/sched_debug"),
    path("unmask-acpi", "look into /proc/acpi"),
    path("unmask-scsi", "look into /proc/scsi"),
    path("unmask-sound", "look into /proc/asound"),
    path("unmask-firmware", "look into /sys/firmware"),
    path("unmask-powercap", "look into /sys/devices/virtual/powercap"),
    path("device-mem", "open /dev/mem"),
    path("device-kmsg", "open /dev/kmsg"),
    path("device-fuse", "open /dev/fuse"),
    path("host-docker", "see the node's Docker socket"),
    path("host-containerd", "see the node's containerd socket"),
    path("host-crio", "see the node's CRI-O socket"),
    path("host-kubelet", "see the node's /var/lib/kubelet"),
    path("host-kubernetes", "see the node's /etc/kubernetes"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn these_are_the_agents() {
        let agent = include_str!("../../../../agent/src/verbs/kernel/acts.rs");
        let theirs: Vec<(&str, bool)> = agent
            .split("    act(\"")
            .skip(1)
            .filter_map(|line| Some((line.split_once('"')?.0, line.split_once(",\n")?.0.contains(".twin("))))
            .collect();
        let ours: Vec<(&str, bool)> = ACTS.iter().map(|act| (act.name, !matches!(act.twin, Twin::None))).collect();
        assert_eq!(ours, theirs);
    }
}
