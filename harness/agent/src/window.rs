//! `window ADDR PORT ADDR PORT SPAN_MS EVERY_MS`, the last words of `agent serve`: how long a pod is let through before its policies cover
//! it. The pod's first process tries both targets from its first instruction on, the one that must be closed and the one that must be open,
//! again and again, for an exec would come too late; what it found it leaves where a termination message would be, to be read by one.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::net::IpAddr;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::write;
use rustix::net::SocketType;

use crate::clock::{MILLI, Micros, now, timespec};
use crate::json::Object;
use crate::start::Args;
use crate::sys;
use crate::verbs::{connected, dial};
use crate::words::Words;

/// The kubelet makes it for every container and keeps what is written there (`terminationMessagePath`).
const REPORT: &CStr = c"/dev/termination-log";

/// A connection that takes longer is as good as none: the next one is under way already.
const PATIENCE: Micros = 300 * MILLI;

/// A way that has been closed for so long, while the other one was open, is closed for good: the rest of the span would tell no more.
const SETTLED: Micros = 2000 * MILLI;

/// The same target, tried again and again.
struct Target {
    address: IpAddr,
    port: u16,
    under_way: Vec<(OwnedFd, Micros)>,
    tried: u64,
    opened: u64,
    first: Option<Micros>,
    last: Option<Micros>,
}

impl Target {
    fn new(words: &mut Words<'_>) -> Option<Self> {
        let (address, port) = (words.address().ok()?, words.port().ok()?);
        Some(Self { address, port, under_way: Vec::new(), tried: 0, opened: 0, first: None, last: None })
    }

    fn dial(&mut self, time: Micros) {
        self.tried += 1;
        if let Ok(socket) = dial(SocketType::STREAM, self.address, self.port) {
            self.under_way.push((socket, time));
        }
    }

    /// Takes note of what has come of the connections under way; `ready` is about each of them.
    fn note(&mut self, ready: &[bool], time: Micros) {
        let mut ready = ready.iter().copied();
        let (opened, first, last) = (&mut self.opened, &mut self.first, &mut self.last);
        self.under_way.retain(|(socket, since)| {
            if ready.next() != Some(true) {
                return time < since + PATIENCE;
            }
            if connected(socket).is_ok() {
                *opened += 1;
                *first = first.or(Some(time));
                *last = Some(time);
            }
            false
        });
    }

    fn told(&self, start: Micros) -> [Option<u64>; 4] {
        let ms = |time: Option<Micros>| time.map(|time| time.saturating_sub(start) / MILLI);
        [Some(self.tried), Some(self.opened), ms(self.first), ms(self.last)]
    }
}

/// Tries what the rest of `args` names, counting from `start`, and leaves the report.
pub fn run(args: Args, start: Micros) -> Option<()> {
    let mut line = Vec::new();
    for arg in args {
        line.extend_from_slice(arg.to_bytes());
        line.push(b' ');
    }
    let mut words = Words::new(&line);
    let mut targets = [Target::new(&mut words)?, Target::new(&mut words)?];
    let (span, every) = (words.span().ok()?, words.span().ok()?);
    words.end().ok()?;
    sys::raise_file_limit();
    let mut next = start;
    while now() < start + span && !settled(&targets) {
        let time = now();
        if next <= time {
            targets.iter_mut().for_each(|target| target.dial(time));
            // A process that was held up does not make up for it.
            next = time + every;
        }
        let sockets = targets.iter().flat_map(|target| &target.under_way);
        let mut fds: Vec<_> =
            sockets.map(|(socket, _)| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::OUT)).collect();
        if poll(&mut fds, Some(&timespec(next.saturating_sub(now())))).is_err() {
            continue;
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (closed, open) =
            ready.split_at(targets.first().map_or(0, |target| target.under_way.len()).min(ready.len()));
        let time = now();
        for (target, ready) in targets.iter_mut().zip([closed, open]) {
            target.note(ready, time);
        }
    }
    let mut report = Object::new().number("span_ms", now().saturating_sub(start) / MILLI);
    let names = [
        ["tried", "let_through", "first_ms", "last_ms"],
        ["control_tried", "control_open", "control_first_ms", "control_last_ms"],
    ];
    for (target, names) in targets.iter().zip(names) {
        for (name, value) in names.into_iter().zip(target.told(start)) {
            report = report.maybe(name, value);
        }
    }
    let mut text = Vec::new();
    report.write(&mut text);
    // SAFETY: nothing in this program closes the standard streams.
    let stdout = unsafe { rustix::stdio::stdout() };
    told(stdout, &text);
    // Outside a pod there is none.
    if let Ok(file) = open(REPORT, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        told(file.as_fd(), &text);
    }
    Some(())
}

/// Whether the second has been open for long enough since the first was open last.
fn settled([closed, open]: &[Target; 2]) -> bool {
    let since = open.first.max(closed.last);
    since.zip(open.last).is_some_and(|(since, last)| last >= since + SETTLED)
}

/// Whoever waits for it and finds none says so.
fn told(to: BorrowedFd<'_>, text: &[u8]) {
    let _ = write(to, text);
}
