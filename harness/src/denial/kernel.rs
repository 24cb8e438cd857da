//! The kernel's own no.
use super::{Denial, Reason};

/// What a call fails with for want of a right, and for nothing else. `EINVAL`, `ENOSYS`, `ENOENT` and `EFAULT` are about the
/// call; `ENOMEM`, `EAGAIN`, `EMFILE` and `ENOSPC` about what is left, be it a cgroup's or the whole node's.
const REFUSALS: [&str; 3] = ["EPERM", "EACCES", "EROFS"];

/// On every architecture that a node may have.
const SIGSYS: i32 = 31;

impl Denial {
    /// A system call that failed, by the kernel's name for it.
    pub fn of_errno(errno: &str) -> Option<Self> {
        REFUSALS.contains(&errno).then(|| Reason::Kernel { errno: errno.into() }.into())
    }

    /// A process that a signal ended, from its wait status. An exit code of 128 and more is anybody's to return.
    pub fn of_signal(signal: i32) -> Option<Self> {
        let because = Reason::KernelSignal { signal: "SIGSYS".into(), because: "seccomp".into() };
        (signal == SIGSYS).then(|| because.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    fn errnos_that_refuse(#[values("EPERM", "EACCES", "EROFS")] errno: &str) {
        assert!(Denial::of_errno(errno).is_some());
    }

    #[rstest]
    fn errnos_that_do_not(
        #[values(
            "EINVAL",
            "ENOSYS",
            "ENOENT",
            "EFAULT",
            "ENOMEM",
            "EAGAIN",
            "ENOSPC",
            "ECONNREFUSED",
            "E1",
            "",
            "eperm"
        )]
        errno: &str,
    ) {
        assert_eq!(Denial::of_errno(errno), None);
    }

    #[rstest]
    #[case::seccomp(31, true)]
    #[case::killed_by_anybody(9, false)]
    #[case::crashed(11, false)]
    fn signals(#[case] signal: i32, #[case] refusal: bool) {
        assert_eq!(Denial::of_signal(signal).is_some(), refusal);
    }
}
