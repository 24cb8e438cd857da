//! `held ADDR PORT FOR_MS TIMEOUT_MS`: does a connection that is open now still carry anything a while later? The peer must send back what it
//! is sent (`serve keep:PORT`).

use alloc::boxed::Box;

use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketType, send};

use super::socket::{connected, dial, receive};
use super::{Begun, Clock, Exchange};
use crate::clock::Micros;
use crate::json::Object;
use crate::words::{Why, Words};

const WORD: &[u8] = b"oke-conformance";

struct Held {
    socket: OwnedFd,
    clock: Clock,
    timeout: Micros,
    pause: Micros,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Opening,
    /// Open since then; the word is sent later.
    Open(Micros),
    /// Open since then; the word is on its way.
    Asked(Micros, Micros),
}

pub fn begin(mut words: Words<'_>, now: Micros) -> Result<Begun, Why> {
    let (address, port, pause, timeout) = (words.address()?, words.port()?, words.span()?, words.span()?);
    words.end()?;
    let clock = Clock::new(now, timeout);
    Ok(match dial(SocketType::STREAM, address, port) {
        Ok(socket) => Begun::Running(Box::new(Held { socket, clock, timeout, pause, state: State::Opening })),
        Err(errno) => Begun::failed_at(errno, &clock),
    })
}

impl Held {
    /// What became of it, with how long it took to open.
    fn then(&self, open: Micros, then: &str) -> Option<Object> {
        Some(self.clock.result("open", open).text("then", then))
    }

    /// What the peer's side of it says; nothing where it is as quiet as it should be.
    fn heard(&self, open: Micros) -> Option<Object> {
        let mut buffer = [0; 64];
        match receive(&self.socket, &mut buffer)? {
            Ok([]) => self.then(open, "closed"),
            Ok(_) => self.then(open, "answered"),
            Err(Errno::CONNRESET) => self.then(open, "reset"),
            Err(_) => self.then(open, "lost"),
        }
    }
}

impl Exchange for Held {
    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let flags = if matches!(self.state, State::Opening) { PollFlags::OUT } else { PollFlags::IN };
        Some((self.socket.as_fd(), flags))
    }

    fn wake_at(&self) -> Micros {
        match self.state {
            State::Opening => self.clock.deadline,
            State::Open(since) => since + self.pause,
            State::Asked(_, at) => at + self.timeout,
        }
    }

    fn step(&mut self, ready: bool, now: Micros) -> Option<Object> {
        match self.state {
            State::Opening if !ready => Some(self.clock.result("timeout", now)),
            State::Opening => match connected(&self.socket) {
                Ok(()) => {
                    self.state = State::Open(now);
                    None
                }
                Err(errno) => Some(self.clock.failed(errno, now)),
            },
            State::Open(since) => {
                if let Some(answer) = self.heard(since) {
                    return Some(answer);
                }
                if self.wake_at() <= now {
                    if send(&self.socket, WORD, SendFlags::NOSIGNAL).is_err() {
                        return self.then(since, "lost");
                    }
                    self.state = State::Asked(since, now);
                }
                None
            }
            State::Asked(since, _) => match self.heard(since) {
                None if self.wake_at() <= now => self.then(since, "silent"),
                heard => heard,
            },
        }
    }
}
