//! What an error means to a connection attempt, and its symbolic name.

use alloc::vec::Vec;

use rustix::io::Errno;

/// A refusal, an unreachable network and a bad argument are different findings: only what a peer, a router or a filter
/// says counts as an answer of the network, everything else is "error".
pub fn result(errno: Errno) -> &'static str {
    match errno {
        Errno::CONNREFUSED => "refused",
        Errno::TIMEDOUT => "timeout",
        Errno::HOSTUNREACH | Errno::NETUNREACH => "unreachable",
        Errno::CONNRESET | Errno::PIPE => "reset",
        _ => "error",
    }
}

macro_rules! names {
    ($($short:ident $name:literal,)*) => {
        fn known(errno: Errno) -> Option<&'static str> {
            Some(match errno {
                $(Errno::$short => $name,)*
                _ => return None,
            })
        }
    };
}

names! {
    ACCESS "EACCES",
    ADDRINUSE "EADDRINUSE",
    ADDRNOTAVAIL "EADDRNOTAVAIL",
    AFNOSUPPORT "EAFNOSUPPORT",
    AGAIN "EAGAIN",
    BADF "EBADF",
    CHILD "ECHILD",
    CONNABORTED "ECONNABORTED",
    CONNREFUSED "ECONNREFUSED",
    CONNRESET "ECONNRESET",
    DESTADDRREQ "EDESTADDRREQ",
    EXIST "EEXIST",
    FAULT "EFAULT",
    HOSTDOWN "EHOSTDOWN",
    HOSTUNREACH "EHOSTUNREACH",
    INTR "EINTR",
    INVAL "EINVAL",
    IO "EIO",
    ISDIR "EISDIR",
    LOOP "ELOOP",
    MFILE "EMFILE",
    MSGSIZE "EMSGSIZE",
    NAMETOOLONG "ENAMETOOLONG",
    NETDOWN "ENETDOWN",
    NETUNREACH "ENETUNREACH",
    NFILE "ENFILE",
    NOBUFS "ENOBUFS",
    NODEV "ENODEV",
    NOENT "ENOENT",
    NOEXEC "ENOEXEC",
    NOKEY "ENOKEY",
    NOMEM "ENOMEM",
    NONET "ENONET",
    NOPROTOOPT "ENOPROTOOPT",
    NOSPC "ENOSPC",
    NOSYS "ENOSYS",
    NOTCONN "ENOTCONN",
    NOTDIR "ENOTDIR",
    NXIO "ENXIO",
    OPNOTSUPP "EOPNOTSUPP",
    PERM "EPERM",
    PIPE "EPIPE",
    PROTO "EPROTO",
    PROTONOSUPPORT "EPROTONOSUPPORT",
    ROFS "EROFS",
    SRCH "ESRCH",
    TIMEDOUT "ETIMEDOUT",
}

/// `ECONNREFUSED`, or `E123` for one that has no name here.
pub fn name(errno: Errno) -> Vec<u8> {
    match known(errno) {
        Some(name) => name.into(),
        None => {
            let mut name = Vec::from(b"E");
            crate::json::number(&mut name, errno.raw_os_error().unsigned_abs().into());
            name
        }
    }
}
