//! `agent relay ADDR PORT TIMEOUT_MS`: a connection of the pod's own for whoever holds its stdin and stdout, to speak a protocol that is
//! too large for an agent. How connecting ended is told on stderr, in a line as `tcp` answers it; from then on stdout has what the peer
//! says and nothing else. It ends when the peer hangs up, and in any case when the time is over.

use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, read, write};
use rustix::net::{SendFlags, Shutdown, SocketType, send, shutdown};

use crate::clock::{Micros, now, timespec};
use crate::json::Object;
use crate::start::Args;
use crate::sys;
use crate::verbs::Clock;
use crate::verbs::socket::{connected, dial, receive};
use crate::words::Words;

const PIECE: usize = 4096;

pub fn run(args: Args) -> Option<i32> {
    let line = args.map(CStr::to_bytes).collect::<Vec<_>>().join(&b' ');
    let mut words = Words::new(&line);
    let (address, port, span) = (words.address().ok()?, words.port().ok()?, words.span().ok()?);
    words.end().ok()?;
    let clock = Clock::new(now(), span);
    match dial(SocketType::STREAM, address, port).and_then(|socket| open(socket, &clock)) {
        Ok(socket) => {
            tell(&clock.result("open", now()));
            relay(&socket, clock.deadline);
        }
        Err(Errno::TIMEDOUT) => tell(&clock.result("timeout", now())),
        Err(errno) => tell(&clock.failed(errno, now())),
    }
    Some(0)
}

/// The socket once it is connected.
fn open(socket: OwnedFd, clock: &Clock) -> Result<OwnedFd, Errno> {
    until(socket.as_fd(), PollFlags::OUT, clock.deadline)?;
    connected(&socket)?;
    Ok(socket)
}

fn tell(answer: &Object) {
    let mut line = Vec::new();
    answer.write(&mut line);
    sys::complain(&[core::str::from_utf8(&line).unwrap_or_default()]);
}

/// Waits until `fd` is ready, and fails when the time is over.
fn until(fd: BorrowedFd<'_>, flags: PollFlags, deadline: Micros) -> Result<(), Errno> {
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&timespec(deadline.saturating_sub(now())))) {
            Ok(0) => return Err(Errno::TIMEDOUT),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Both ways until the peer has hung up, one side is gone or the time is over.
fn relay(socket: &OwnedFd, deadline: Micros) {
    // SAFETY: nothing in this program closes the standard streams.
    let (stdin, stdout) = unsafe { (rustix::stdio::stdin(), rustix::stdio::stdout()) };
    let mut buffer = [0; PIECE];
    let mut asking = true;
    loop {
        let mut fds = [(socket.as_fd(), true), (stdin, asking)]
            .into_iter()
            .filter(|(_, wanted)| *wanted)
            .map(|(fd, _)| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect::<Vec<_>>();
        match poll(&mut fds, Some(&timespec(deadline.saturating_sub(now())))) {
            Ok(0) => return,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return,
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        if ready.next() == Some(true) {
            let piece = match receive(socket, &mut buffer) {
                Some(Ok([]) | Err(_)) => return,
                Some(Ok(piece)) => piece,
                None => &[],
            };
            if pass(stdout, piece, deadline, |piece| write(stdout, piece)).is_err() {
                return;
            }
        }
        if ready.next() == Some(true) {
            match read(stdin, &mut buffer) {
                Ok(0) => {
                    asking = false;
                    let _ = shutdown(socket, Shutdown::Write);
                }
                Ok(n) => {
                    let piece = buffer.get(..n).unwrap_or_default();
                    if pass(socket.as_fd(), piece, deadline, |piece| send(socket, piece, SendFlags::NOSIGNAL)).is_err()
                    {
                        return;
                    }
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return,
            }
        }
    }
}

/// The whole piece, as fast as `to` takes it.
fn pass(
    to: BorrowedFd<'_>,
    mut piece: &[u8],
    deadline: Micros,
    give: impl Fn(&[u8]) -> Result<usize, Errno>,
) -> Result<(), Errno> {
    while !piece.is_empty() {
        until(to, PollFlags::OUT, deadline)?;
        match give(piece) {
            Ok(given) => piece = piece.get(given..).unwrap_or_default(),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
