//! An act in a child of its own: whatever it changes of its process ends with that process, and should a filter kill it, the
//! batch goes on.

use core::ffi::c_int;
use core::ptr::{from_mut, from_ref};

use rustix::fd::{FromRawFd, OwnedFd};
use rustix::io::{Errno, read};

use crate::sys::{exit, syscall};

#[cfg(target_arch = "x86_64")]
mod nr {
    pub const WRITE: usize = 1;
    pub const SETITIMER: usize = 38;
    pub const CLONE: usize = 56;
    pub const WAIT4: usize = 61;
    pub const PRCTL: usize = 157;
    pub const PIPE2: usize = 293;
}
#[cfg(target_arch = "aarch64")]
mod nr {
    pub const WRITE: usize = 64;
    pub const SETITIMER: usize = 103;
    pub const CLONE: usize = 220;
    pub const WAIT4: usize = 260;
    pub const PRCTL: usize = 167;
    pub const PIPE2: usize = 59;
}

const SIGCHLD: usize = 17;
const SIGKILL: usize = 9;
const PR_SET_PDEATHSIG: usize = 1;
const O_CLOEXEC: usize = 0o2_000_000;

/// Seconds that an act may take: none of them waits for anything.
const PATIENCE: usize = 2;

/// What became of a child.
#[derive(Clone, Copy)]
pub enum End {
    /// What the act returned: a negative errno where the kernel said no.
    Told(isize),
    /// The signal that ended it before it could tell.
    Killed(u64),
}

/// Runs `act` in a child and waits for what it returns. The error is that of making the child.
pub fn tell(act: impl Fn() -> isize) -> Result<End, Errno> {
    let mut ends: [c_int; 2] = [0; 2];
    // SAFETY: `ends` has room for the two descriptors.
    check(unsafe { syscall(nr::PIPE2, [from_mut(&mut ends) as usize, O_CLOEXEC, 0, 0, 0, 0]) })?;
    // SAFETY: the kernel has just made both, and nothing else owns them.
    let [from_child, to_parent] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    let child = fork(0);
    if child == 0 {
        die_with_parent();
        // SAFETY: the timer's interval and first run, as `struct itimerval` has them; the old value is not asked for.
        unsafe { syscall(nr::SETITIMER, [0, from_ref(&[0, 0, PATIENCE, 0]) as usize, 0, 0, 0, 0]) };
        let told = act();
        // SAFETY: `told` is readable for its size, and its eight bytes go through a pipe at once.
        unsafe { syscall(nr::WRITE, [ends[1] as usize, from_ref(&told) as usize, size_of::<isize>(), 0, 0, 0]) };
        exit(0);
    }
    drop(to_parent);
    let child = check(child)?;
    let mut told = [0; size_of::<isize>()];
    let read = loop {
        match read(&from_child, &mut told) {
            Err(Errno::INTR) => {}
            result => break result,
        }
    };
    let status = wait(child);
    Ok(match read {
        Ok(n) if n == told.len() => End::Told(isize::from_ne_bytes(told)),
        _ => End::Killed((status & 0x7f) as u64),
    })
}

/// A child as fork makes it, with `flags` for what it shares not. Returns 0 in the child.
pub fn fork(flags: usize) -> isize {
    // SAFETY: one thread, and no flag shares memory: the child has a copy of everything, its stack included.
    unsafe { syscall(nr::CLONE, [flags | SIGCHLD, 0, 0, 0, 0, 0]) }
}

/// Waits for a child's end; its wait status.
pub fn wait(child: usize) -> c_int {
    let mut status: c_int = 0;
    // SAFETY: `status` has room for the status.
    while unsafe { syscall(nr::WAIT4, [child, from_mut(&mut status) as usize, 0, 0, 0, 0]) }
        == -(Errno::INTR.raw_os_error() as isize)
    {}
    status
}

/// A child that its parent has left behind would hold the pod's memory.
pub fn die_with_parent() {
    // SAFETY: asks for a signal, and touches no memory.
    unsafe { syscall(nr::PRCTL, [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0]) };
}

fn check(result: isize) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result as i32))
}
