//! Whether this process is in a pod of ours. What the kernel verbs attempt does harm where it succeeds on a machine itself, so
//! they ask here first, and every one of these has to hold: none of them is true of a developer's machine, whoever runs the
//! agent there, and most are not true of any other container either.

use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fs::{CWD, StatVfsMountFlags, readlinkat_raw, statvfs};

use crate::verbs::read::contents;
use crate::words::Why;

/// What the pod's manifest sets for its container (`harness::probe::pod`).
const MARKER: &[u8] = b"OKE_CONFORMANCE_PROBE=pod";

/// The pod's first process, as its manifest starts it.
const FIRST: &[u8] = b"/agent/agent\0serve\0";

/// Linux gives the initial pid namespace this number (include/uapi/linux/nsfs.h).
const INITIAL_PID: &[u8] = b"pid:[4026531836]";

/// Why this is no pod of ours, or not known to be one.
pub fn inside() -> Result<(), Why> {
    // The kubelet lays a ConfigMap's files out so: /agent/..2026_01_01_00_00_00.1/agent, and links the plain name to it.
    let exe = link(c"/proc/self/exe").unwrap_or_default();
    if !(exe.starts_with(b"/agent/..") && exe.ends_with(b"/agent")) {
        return Err("not in a pod: the program does not lie in a ConfigMap at /agent");
    }
    if !statvfs(c"/agent").is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return Err("not in a pod: /agent is not mounted read-only");
    }
    let environment = contents(c"/proc/self/environ", 64 << 10).map(|(text, _)| text).unwrap_or_default();
    if !environment.split(|byte| *byte == 0).any(|variable| variable == MARKER) {
        return Err("not in a pod: the manifest's mark is missing");
    }
    if !is_first() {
        return Err("not in a pod: process 1 is not the agent");
    }
    if link(c"/proc/self/ns/pid").is_none_or(|namespace| namespace == INITIAL_PID) {
        return Err("not in a pod: the pid namespace is the machine's");
    }
    Ok(())
}

/// Whether the agent is its pid namespace's first process: then the namespace is the container's own.
pub fn is_first() -> bool {
    contents(c"/proc/1/cmdline", 4096).is_ok_and(|(text, _)| text.starts_with(FIRST))
}

/// Where a symbolic link leads, as far as 256 bytes tell.
pub fn link(path: &CStr) -> Option<Vec<u8>> {
    let mut target = [0; 256];
    let length = readlinkat_raw(CWD, path, &mut target).ok()?;
    target.get(..length).map(Vec::from)
}
