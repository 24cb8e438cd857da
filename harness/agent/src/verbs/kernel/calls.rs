//! The calls themselves, as the manual pages of section 2 have them. All of this runs in a child that ends right afterwards.

use core::ffi::CStr;
use core::ptr::from_ref;

use rustix::io::Errno;

use crate::child::{die_with_parent, fork, wait};
use crate::sys::{exit, syscall};

#[cfg(target_arch = "x86_64")]
mod nr {
    pub const CLOSE: usize = 3;
    pub const SOCKET: usize = 41;
    pub const KILL: usize = 62;
    pub const CHDIR: usize = 80;
    pub const PTRACE: usize = 101;
    pub const GETUID: usize = 102;
    pub const GETGID: usize = 104;
    pub const SETUID: usize = 105;
    pub const SETGID: usize = 106;
    pub const CHROOT: usize = 161;
    pub const MOUNT: usize = 165;
    pub const UMOUNT2: usize = 166;
    pub const INIT_MODULE: usize = 175;
    pub const ADD_KEY: usize = 248;
    pub const KEYCTL: usize = 250;
    pub const OPENAT: usize = 257;
    pub const MKDIRAT: usize = 258;
    pub const MKNODAT: usize = 259;
    pub const UNLINKAT: usize = 263;
    pub const PPOLL: usize = 271;
    pub const UNSHARE: usize = 272;
    pub const PERF_EVENT_OPEN: usize = 298;
    pub const BPF: usize = 321;
    pub const FSOPEN: usize = 430;
}
#[cfg(target_arch = "aarch64")]
mod nr {
    pub const MKNODAT: usize = 33;
    pub const MKDIRAT: usize = 34;
    pub const UNLINKAT: usize = 35;
    pub const UMOUNT2: usize = 39;
    pub const MOUNT: usize = 40;
    pub const CHDIR: usize = 49;
    pub const CHROOT: usize = 51;
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const PPOLL: usize = 73;
    pub const UNSHARE: usize = 97;
    pub const INIT_MODULE: usize = 105;
    pub const PTRACE: usize = 117;
    pub const KILL: usize = 129;
    pub const SETGID: usize = 144;
    pub const SETUID: usize = 146;
    pub const GETUID: usize = 174;
    pub const GETGID: usize = 176;
    pub const SOCKET: usize = 198;
    pub const ADD_KEY: usize = 217;
    pub const KEYCTL: usize = 219;
    pub const PERF_EVENT_OPEN: usize = 241;
    pub const BPF: usize = 280;
    pub const FSOPEN: usize = 430;
}

const CLONE_NEWNS: usize = 0x0002_0000;
const CLONE_NEWUSER: usize = 0x1000_0000;
const AT_FDCWD: usize = -100_isize as usize;

/// A tmpfs that every pod has, and everybody in it may write to.
const PLACE: &CStr = c"/dev/shm";
const NAME: &CStr = c"/dev/shm/oke-conformance";

/// # Safety
///
/// As the call `number` demands of its arguments.
unsafe fn call<const N: usize>(number: usize, args: [usize; N]) -> isize {
    let mut all = [0; 6];
    all.iter_mut().zip(args).for_each(|(slot, arg)| *slot = arg);
    // SAFETY: the caller's promise is the same.
    unsafe { syscall(number, all) }
}

fn at(text: &CStr) -> usize {
    text.as_ptr() as usize
}

/// Whether the call gave a descriptor; it goes at once.
fn closed(fd: isize) -> isize {
    if fd >= 0 {
        // SAFETY: the descriptor is this function's own.
        unsafe { call(nr::CLOSE, [fd as usize]) };
    }
    fd.min(0)
}

pub fn unshare_user() -> isize {
    // SAFETY: changes nothing but this process' namespaces.
    unsafe { call(nr::UNSHARE, [CLONE_NEWUSER]) }
}

pub fn unshare_mounts() -> isize {
    // SAFETY: changes nothing but this process' namespaces.
    unsafe { call(nr::UNSHARE, [CLONE_NEWNS]) }
}

pub fn clone_user() -> isize {
    child_with(CLONE_NEWUSER)
}

pub fn clone() -> isize {
    child_with(0)
}

fn child_with(flags: usize) -> isize {
    match fork(flags) {
        0 => exit(0),
        child @ 1.. => {
            wait(child as usize);
            0
        }
        errno => errno,
    }
}

pub fn mount_tmpfs() -> isize {
    mount(c"tmpfs", 0)
}

pub fn mount_bind() -> isize {
    const MS_BIND: usize = 4096;
    mount(c"", MS_BIND)
}

/// Mounts onto the pod's own /dev/shm, in a mount namespace of this process' own where it may have one.
fn mount(kind: &CStr, flags: usize) -> isize {
    const MNT_DETACH: usize = 2;
    unshare_mounts();
    // SAFETY: the strings end with a zero byte and live on; there is no data.
    let mounted = unsafe { call(nr::MOUNT, [at(c"/agent"), at(PLACE), at(kind), flags, 0]) };
    if mounted == 0 {
        // SAFETY: as above; takes away what has just been mounted.
        unsafe { call(nr::UMOUNT2, [at(PLACE), MNT_DETACH]) };
    }
    mounted
}

pub fn open_file_system() -> isize {
    // SAFETY: the string ends with a zero byte; what is opened is mounted nowhere.
    closed(unsafe { call(nr::FSOPEN, [at(c"tmpfs"), 0]) })
}

pub fn make_device() -> isize {
    const S_IFCHR: usize = 0o020_000;
    const DEV_NULL: usize = 1 << 8 | 3;
    make_node(S_IFCHR, DEV_NULL)
}

pub fn make_fifo() -> isize {
    const S_IFIFO: usize = 0o010_000;
    make_node(S_IFIFO, 0)
}

fn make_node(kind: usize, device: usize) -> isize {
    // SAFETY: the string ends with a zero byte.
    let made = unsafe { call(nr::MKNODAT, [AT_FDCWD, at(NAME), kind | 0o600, device]) };
    unlinked(made, NAME, 0)
}

pub fn write_root() -> isize {
    make_file(c"/oke-conformance")
}

pub fn write_place() -> isize {
    make_file(NAME)
}

fn make_file(path: &CStr) -> isize {
    const O_WRONLY_CREAT_EXCL_CLOEXEC: usize = 0o1 | 0o100 | 0o200 | 0o2_000_000;
    // SAFETY: the string ends with a zero byte.
    let made = unsafe { call(nr::OPENAT, [AT_FDCWD, at(path), O_WRONLY_CREAT_EXCL_CLOEXEC, 0o600]) };
    unlinked(closed(made), path, 0)
}

pub fn make_cgroup() -> isize {
    const AT_REMOVEDIR: usize = 0x200;
    let path = c"/sys/fs/cgroup/oke-conformance";
    // SAFETY: the string ends with a zero byte.
    let made = unsafe { call(nr::MKDIRAT, [AT_FDCWD, at(path), 0o700]) };
    unlinked(made, path, AT_REMOVEDIR)
}

/// Takes away what has just been made.
fn unlinked(made: isize, path: &CStr, flags: usize) -> isize {
    if made == 0 {
        // SAFETY: the string ends with a zero byte; only what this process has made is gone.
        unsafe { call(nr::UNLINKAT, [AT_FDCWD, at(path), flags]) };
    }
    made
}

const AF_INET: usize = 2;

pub fn raw_socket() -> isize {
    const SOCK_RAW: usize = 3;
    const IPPROTO_ICMP: usize = 1;
    socket([AF_INET, SOCK_RAW, IPPROTO_ICMP])
}

pub fn packet_socket() -> isize {
    const AF_PACKET: usize = 17;
    const SOCK_RAW: usize = 3;
    // Protocol 0 receives nothing.
    socket([AF_PACKET, SOCK_RAW, 0])
}

pub fn datagram_socket() -> isize {
    const SOCK_DGRAM: usize = 2;
    socket([AF_INET, SOCK_DGRAM, 0])
}

fn socket(args: [usize; 3]) -> isize {
    // SAFETY: the arguments are plain numbers, and nothing is sent.
    closed(unsafe { call(nr::SOCKET, args) })
}

pub fn trace() -> isize {
    trace_child(0)
}

/// Only who may lift everybody's filters may take that of a process it traces away: a filter's way out.
pub fn trace_without_filter() -> isize {
    const PTRACE_O_SUSPEND_SECCOMP: usize = 1 << 21;
    trace_child(PTRACE_O_SUSPEND_SECCOMP)
}

fn trace_child(options: usize) -> isize {
    const PTRACE_SEIZE: usize = 0x4206;
    const SIGKILL: usize = 9;
    let child = fork(0);
    if child == 0 {
        die_with_parent();
        // SAFETY: waits for nothing, until a signal comes.
        unsafe { call(nr::PPOLL, [0, 0, 0, 0, 0]) };
        exit(0);
    }
    if child < 0 {
        // Not the answer to what was asked.
        return -(Errno::CHILD.raw_os_error() as isize);
    }
    // SAFETY: the child is this process' own, and has nothing that could be harmed.
    let traced = unsafe { call(nr::PTRACE, [PTRACE_SEIZE, child as usize, 0, options]) };
    // SAFETY: as above.
    unsafe { call(nr::KILL, [child as usize, SIGKILL]) };
    wait(child as usize);
    traced
}

const PROCESS_KEYRING: usize = -2_isize as usize;

/// Asks for the process' own keyring, which is made for it and goes with it.
pub fn own_keyring() -> isize {
    const KEYCTL_GET_KEYRING_ID: usize = 0;
    // SAFETY: the arguments are plain numbers.
    unsafe { call(nr::KEYCTL, [KEYCTL_GET_KEYRING_ID, PROCESS_KEYRING, 1]) }.min(0)
}

pub fn add_key() -> isize {
    let what = [at(c"user"), at(c"oke-conformance"), at(c"x"), 1, PROCESS_KEYRING];
    // SAFETY: the strings end with a zero byte; the payload is one byte long.
    unsafe { call(nr::ADD_KEY, what) }.min(0)
}

pub fn make_map() -> isize {
    const BPF_MAP_CREATE: usize = 0;
    const BPF_MAP_TYPE_ARRAY: u32 = 2;
    // Type, size of a key, size of a value, how many.
    let map: [u32; 4] = [BPF_MAP_TYPE_ARRAY, 4, 4, 1];
    // SAFETY: the kernel reads as many bytes as it is told.
    closed(unsafe { call(nr::BPF, [BPF_MAP_CREATE, from_ref(&map) as usize, size_of_val(&map)]) })
}

pub fn observe_itself() -> isize {
    const PERF_TYPE_SOFTWARE: u64 = 1;
    const SIZE: u64 = 64;
    const PERF_COUNT_SW_DUMMY: u64 = 9;
    const DISABLED_EXCLUDE_KERNEL_EXCLUDE_HV: u64 = 1 | 1 << 5 | 1 << 6;
    // `struct perf_event_attr` in its first version: type and size, config, period, sample type, read format, flags, two more.
    let event =
        [PERF_TYPE_SOFTWARE | SIZE << 32, PERF_COUNT_SW_DUMMY, 0, 0, 0, DISABLED_EXCLUDE_KERNEL_EXCLUDE_HV, 0, 0];
    // SAFETY: the kernel reads as many bytes as the structure says it has.
    closed(unsafe { call(nr::PERF_EVENT_OPEN, [from_ref(&event) as usize, 0, usize::MAX, usize::MAX, 0]) })
}

pub fn change_root() -> isize {
    // SAFETY: the string ends with a zero byte.
    unsafe { call(nr::CHROOT, [at(c"/")]) }
}

pub fn change_directory() -> isize {
    // SAFETY: the string ends with a zero byte.
    unsafe { call(nr::CHDIR, [at(c"/")]) }
}

pub fn become_root() -> isize {
    // SAFETY: changes nothing but this process' credentials.
    unsafe { call(nr::SETUID, [0]) }
}

pub fn stay_user() -> isize {
    // SAFETY: the user it is already.
    unsafe { call(nr::SETUID, [call(nr::GETUID, []) as usize]) }
}

pub fn join_root_group() -> isize {
    // SAFETY: changes nothing but this process' credentials.
    unsafe { call(nr::SETGID, [0]) }
}

pub fn stay_in_group() -> isize {
    // SAFETY: the group it is in already.
    unsafe { call(nr::SETGID, [call(nr::GETGID, []) as usize]) }
}

/// One byte is no module. Whoever hears that was let in, for the right is asked for first (kernel/module/main.c).
pub fn load_module() -> isize {
    // SAFETY: the image is one byte long, the parameters end with a zero byte.
    let loaded = unsafe { call(nr::INIT_MODULE, [at(c"x"), 1, at(c"")]) };
    if loaded == -(Errno::NOEXEC.raw_os_error() as isize) { 0 } else { loaded }
}
