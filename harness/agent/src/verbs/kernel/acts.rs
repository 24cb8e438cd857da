//! The acts by name, in the order of what they would lead to.

use rustix::fs::OFlags;

use super::Deed::{Call, Open, Unmask};
use super::{Act, Deed, calls};

const fn act(name: &'static str, deed: Deed) -> Act {
    Act { name, deed, twin: None, known_by: None }
}

impl Act {
    const fn twin(self, twin: Deed) -> Self {
        Self { twin: Some(twin), ..self }
    }

    const fn known_by(self, path: &'static core::ffi::CStr) -> Self {
        Self { known_by: Some(path), ..self }
    }
}

const READ: OFlags = OFlags::RDONLY;
const WRITE: OFlags = OFlags::WRONLY;
const LOOK: OFlags = OFlags::PATH;

pub const ACTS: [Act; 42] = [
    act("unshare-user", Call(calls::unshare_user)).known_by(c"/proc/self/ns/user"),
    act("clone-user", Call(calls::clone_user)).twin(Call(calls::clone)).known_by(c"/proc/self/ns/user"),
    act("unshare-mounts", Call(calls::unshare_mounts)).known_by(c"/proc/self/ns/mnt"),
    act("mount-tmpfs", Call(calls::mount_tmpfs)).known_by(c"/proc/self/ns/mnt"),
    act("mount-bind", Call(calls::mount_bind)).known_by(c"/proc/self/ns/mnt"),
    act("fsopen", Call(calls::open_file_system)),
    act("mknod-device", Call(calls::make_device)).twin(Call(calls::make_fifo)),
    act("socket-raw", Call(calls::raw_socket)).twin(Call(calls::datagram_socket)).known_by(c"/proc/net/raw"),
    act("socket-packet", Call(calls::packet_socket)).twin(Call(calls::datagram_socket)).known_by(c"/proc/net/packet"),
    act("ptrace-suspend-seccomp", Call(calls::trace_without_filter)).twin(Call(calls::trace)),
    act("keyctl", Call(calls::own_keyring)).known_by(c"/proc/keys"),
    act("add-key", Call(calls::add_key)).known_by(c"/proc/keys"),
    act("bpf", Call(calls::make_map)).known_by(c"/proc/sys/kernel/unprivileged_bpf_disabled"),
    act("perf", Call(calls::observe_itself)).known_by(c"/proc/sys/kernel/perf_event_paranoid"),
    act("chroot", Call(calls::change_root)).twin(Call(calls::change_directory)).known_by(c"/proc/self/root"),
    act("setuid-root", Call(calls::become_root)).twin(Call(calls::stay_user)),
    act("setgid-root", Call(calls::join_root_group)).twin(Call(calls::stay_in_group)),
    act("init-module", Call(calls::load_module)).known_by(c"/proc/modules"),
    act("write-root", Call(calls::write_root)).twin(Call(calls::write_place)),
    act("write-proc-sys", Open(c"/proc/sys/kernel/core_pattern", WRITE))
        .twin(Open(c"/proc/sys/kernel/core_pattern", READ)),
    act("write-sysrq", Open(c"/proc/sysrq-trigger", WRITE)).twin(Open(c"/proc/sysrq-trigger", LOOK)),
    act("write-sys", Open(c"/sys/kernel/rcu_expedited", WRITE)).twin(Open(c"/sys/kernel/rcu_expedited", READ)),
    act("write-uevent-helper", Open(c"/sys/kernel/uevent_helper", WRITE))
        .twin(Open(c"/sys/kernel/uevent_helper", READ)),
    act("make-cgroup", Call(calls::make_cgroup)).twin(Open(c"/sys/fs/cgroup", LOOK)),
    act("unmask-kcore", Unmask(c"/proc/kcore")),
    act("unmask-keys", Unmask(c"/proc/keys")),
    act("unmask-timers", Unmask(c"/proc/timer_list")),
    act("unmask-latencies", Unmask(c"/proc/latency_stats")),
    act("unmask-scheduler", Unmask(c"/proc/sched_debug")),
    act("unmask-acpi", Unmask(c"/proc/acpi")),
    act("unmask-scsi", Unmask(c"/proc/scsi")),
    act("unmask-sound", Unmask(c"/proc/asound")),
    act("unmask-firmware", Unmask(c"/sys/firmware")),
    act("unmask-powercap", Unmask(c"/sys/devices/virtual/powercap")),
    act("device-mem", Open(c"/dev/mem", READ)),
    act("device-kmsg", Open(c"/dev/kmsg", READ)),
    act("device-fuse", Open(c"/dev/fuse", READ)),
    act("host-docker", Open(c"/var/run/docker.sock", LOOK)),
    act("host-containerd", Open(c"/run/containerd/containerd.sock", LOOK)),
    act("host-crio", Open(c"/var/run/crio/crio.sock", LOOK)),
    act("host-kubelet", Open(c"/var/lib/kubelet", LOOK)),
    act("host-kubernetes", Open(c"/etc/kubernetes", LOOK)),
];
