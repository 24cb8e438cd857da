//! `kernel ACT`: something that a contained process must not be able to do, attempted.
//!
//! Only in a pod of ours ([`crate::pod`]), each in a child of its own that ends at once ([`crate::child`]), and each harmless
//! where it succeeds: nothing is sent, nothing is written but a name in the pod's own /dev/shm that goes again at once, and what
//! is mounted is unmounted.
//!
//! The answer has the act's result (`done`, `failed` with its errno, `masked`, `killed` with the signal) and that of its twin:
//! the same call without what is forbidden about it, which shows that the rest of its arguments is right. `known` tells whether
//! the kernel has the part that the act is about, by a file that only such a kernel has: a filter may answer ENOSYS as well.

mod acts;
mod calls;
mod masks;

use core::ffi::CStr;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::{Begun, failed};
use crate::child::{End, tell};
use crate::json::Object;
use crate::words::{Why, Words};
use crate::{errno, pod};

/// What is done.
#[derive(Clone, Copy)]
enum Deed {
    /// A call, or a few; a negative errno where it failed.
    Call(fn() -> isize),
    /// Opens a file so, and closes it again.
    Open(&'static CStr, OFlags),
    /// Looks behind the mask that the runtime puts over a path.
    Unmask(&'static CStr),
}

/// One act.
struct Act {
    name: &'static str,
    deed: Deed,
    /// The same without what is forbidden.
    twin: Option<Deed>,
    /// A file of every kernel that has what the act is about.
    known_by: Option<&'static CStr>,
}

/// What [`Deed::Unmask`] returns for a path that shows nothing.
const MASKED: isize = 1;

impl Deed {
    fn perform(self) -> isize {
        match self {
            Self::Call(call) => call(),
            Self::Open(path, flags) => code(
                openat(CWD, path, flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty()).map(drop),
            ),
            Self::Unmask(path) => masks::look_behind(path),
        }
    }
}

/// A result as the kernel returns it.
fn code(result: Result<(), Errno>) -> isize {
    result.map_or_else(|errno| -(errno.raw_os_error() as isize), |()| 0)
}

pub fn begin(mut words: Words<'_>) -> Result<Begun, Why> {
    let name = words.word("no act")?;
    words.end()?;
    let act = acts::ACTS.iter().find(|act| act.name.as_bytes() == name).ok_or("unknown act")?;
    pod::inside()?;
    let end = match tell(|| act.deed.perform()) {
        Ok(end) => end,
        Err(errno) => return Ok(Begun::Answered(failed(errno).text("why", "no child can be made"))),
    };
    let mut answer = told(Object::new(), ["result", "errno", "signal"], end).text("act", act.name);
    if let Some(twin) = act.twin {
        answer = match tell(|| twin.perform()) {
            Ok(end) => told(answer, ["twin", "twin_errno", "twin_signal"], end),
            Err(errno) => answer.text("twin", "failed").text("twin_errno", errno::name(errno)),
        };
    }
    if let Some(path) = act.known_by {
        answer = answer.flag("known", openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).is_ok());
    }
    Ok(Begun::Answered(answer))
}

fn told(answer: Object, [result, errno, signal]: [&str; 3], end: End) -> Object {
    match end {
        End::Told(MASKED) => answer.text(result, "masked"),
        End::Told(0..) => answer.text(result, "done"),
        End::Told(code) => {
            answer.text(result, "failed").text(errno, errno::name(Errno::from_raw_os_error(-code as i32)))
        }
        End::Killed(number) => answer.text(result, "killed").number(signal, number),
    }
}
