//! The few system calls that rustix keeps to itself (its `runtime` module is private by design) or makes through the vDSO
//! (the clock: a fifth of the whole program's size), and stderr.

use core::arch::asm;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[cfg(target_arch = "x86_64")]
mod nr {
    pub const RT_SIGACTION: usize = 13;
    pub const CLOCK_GETTIME: usize = 228;
    pub const EXIT_GROUP: usize = 231;
}
#[cfg(target_arch = "aarch64")]
mod nr {
    pub const RT_SIGACTION: usize = 134;
    pub const EXIT_GROUP: usize = 94;
    pub const CLOCK_GETTIME: usize = 113;
}

/// A system call by its number; a negative result is an errno.
///
/// # Safety
///
/// As the call `number` demands of its arguments.
pub unsafe fn syscall(number: usize, args: [usize; 6]) -> isize {
    let result;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel's calling convention; the caller answers for the call itself.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel's calling convention; the caller answers for the call itself.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") args[0] => result, in("x1") args[1], in("x2") args[2],
            in("x3") args[3], in("x4") args[4], in("x5") args[5], options(nostack));
    }
    result
}

/// Ends the process.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: exit_group has no preconditions, and does not return.
        unsafe { syscall(nr::EXIT_GROUP, [status as usize, 0, 0, 0, 0, 0]) };
    }
}

/// Seconds and nanoseconds of the monotonic clock.
pub fn monotonic() -> [i64; 2] {
    const CLOCK_MONOTONIC: usize = 1;
    let mut time = [0; 2];
    // SAFETY: `time` has the layout of the kernel's 64-bit timespec. It cannot fail: every kernel has this clock.
    unsafe { syscall(nr::CLOCK_GETTIME, [CLOCK_MONOTONIC, core::ptr::from_mut(&mut time) as usize, 0, 0, 0, 0]) };
    time
}

/// The kernel's `struct sigaction`; the same on both architectures.
#[repr(C)]
struct Action {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

const SIGINT: usize = 2;
const SIGTERM: usize = 15;
const SIGCHLD: usize = 17;
const SIG_IGN: usize = 1;
const SA_RESTORER: usize = 0x0400_0000;

extern "C" fn leave(_: i32) {
    exit(0)
}

/// A pod's first process gets no default signal actions: without this a pod takes its whole grace period to stop. Nothing
/// needs tidying up, so the handler exits on the spot. Orphans are reaped by the kernel when SIGCHLD is ignored.
pub fn behave_as_init() {
    let leave = leave as extern "C" fn(i32) as usize;
    // x86_64 insists on a restorer; the handler never returns to it.
    let stop = Action { handler: leave, flags: SA_RESTORER, restorer: leave, mask: 0 };
    let ignore = Action { handler: SIG_IGN, flags: SA_RESTORER, restorer: leave, mask: 0 };
    for (signal, action) in [(SIGTERM, &stop), (SIGINT, &stop), (SIGCHLD, &ignore)] {
        // SAFETY: `action` is a valid sigaction and its handler only calls exit_group, which is async-signal-safe.
        unsafe { syscall(nr::RT_SIGACTION, [signal, core::ptr::from_ref(action) as usize, 0, size_of::<u64>(), 0, 0]) };
    }
}

/// As many sockets as this process may ever have.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // A refusal only means more waves.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Writes to stderr; there is nobody to tell when that fails.
pub fn complain(parts: &[&str]) {
    for part in parts {
        // SAFETY: nothing in this program closes the standard streams.
        let _ = rustix::io::write(unsafe { rustix::stdio::stderr() }, part.as_bytes());
    }
}
