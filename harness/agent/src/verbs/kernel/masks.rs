//! Paths that the runtime masks: a file by /dev/null laid over it, a directory by an empty tmpfs.

use core::ffi::CStr;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, fstatfs, major, minor, openat};
use rustix::io::read;

use super::{MASKED, code};

const TMPFS: u64 = 0x0102_1994;

/// Masked, or 0 where something shows.
pub fn look_behind(path: &CStr) -> isize {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let result = openat(CWD, path, flags, Mode::empty()).and_then(|file| {
        let stat = fstat(&file)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice => Ok((major(stat.st_rdev), minor(stat.st_rdev)) == (1, 3)),
            FileType::Directory => Ok(fstatfs(&file)?.f_type as u64 == TMPFS),
            _ => read(&file, &mut [0; 1]).map(|_| false),
        }
    });
    match result {
        Ok(true) => MASKED,
        other => code(other.map(drop)),
    }
}
