//! `facts`: what the kernel grants this process, as far as /proc/self/status does not tell it.

use alloc::string::String;
use alloc::vec::Vec;

use rustix::fs::{CWD, FileType, Mode, OFlags, RawDir, StatVfsMountFlags, openat, statvfs};

use super::{Begun, failed};
use crate::json::Object;
use crate::pod::{is_first, link};
use crate::words::{Why, Words};

const NAMESPACES: [&core::ffi::CStr; 7] = [
    c"/proc/self/ns/pid",
    c"/proc/self/ns/ipc",
    c"/proc/self/ns/uts",
    c"/proc/self/ns/net",
    c"/proc/self/ns/mnt",
    c"/proc/self/ns/user",
    c"/proc/self/ns/cgroup",
];

pub fn begin(mut words: Words<'_>) -> Result<Begun, Why> {
    words.end()?;
    let root = match statvfs(c"/") {
        Ok(root) if root.f_flag.contains(StatVfsMountFlags::RDONLY) => "read-only",
        Ok(_) => "writable",
        Err(errno) => return Ok(Begun::Answered(failed(errno))),
    };
    Ok(Begun::Answered(
        Object::new()
            .text("result", "ok")
            .text("hostname", rustix::system::uname().nodename().to_bytes())
            .text("root", root)
            .flag("first", is_first())
            .list("namespaces", NAMESPACES.into_iter().filter_map(link))
            .list("devices", devices()),
    ))
}

/// The devices directly in /dev.
fn devices() -> Vec<String> {
    let mut devices = Vec::new();
    let Ok(dev) = openat(CWD, c"/dev", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else {
        return devices;
    };
    let mut buffer = Vec::with_capacity(8192);
    let mut entries = RawDir::new(dev, buffer.spare_capacity_mut());
    while let Some(Ok(entry)) = entries.next() {
        if matches!(entry.file_type(), FileType::CharacterDevice | FileType::BlockDevice) {
            devices.push(String::from_utf8_lossy(entry.file_name().to_bytes()).into_owned());
        }
    }
    devices
}
