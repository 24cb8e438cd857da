//! `tcp ADDR PORT TIMEOUT_MS`: can a connection be opened, and what does the peer say first?

use alloc::boxed::Box;

use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::SocketType;

use super::socket::{connected, dial, receive};
use super::{Begun, Clock, Exchange};
use crate::clock::{MILLI, Micros};
use crate::json::Object;
use crate::words::{Why, Words};

/// A peer that speaks first does it at once; most do not.
const BANNER_WAIT: Micros = 300 * MILLI;
const BANNER: usize = 128;

struct Tcp {
    socket: OwnedFd,
    clock: Clock,
    /// Set once connected: when that was.
    open: Option<Micros>,
}

pub fn begin(mut words: Words<'_>, now: Micros) -> Result<Begun, Why> {
    let (address, port, clock) = (words.address()?, words.port()?, Clock::new(now, words.span()?));
    words.end()?;
    Ok(match dial(SocketType::STREAM, address, port) {
        Ok(socket) => Begun::Running(Box::new(Tcp { socket, clock, open: None })),
        Err(errno) => Begun::failed_at(errno, &clock),
    })
}

impl Exchange for Tcp {
    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        Some((self.socket.as_fd(), if self.open.is_some() { PollFlags::IN } else { PollFlags::OUT }))
    }

    fn wake_at(&self) -> Micros {
        self.open.map_or(self.clock.deadline, |open| self.clock.deadline.min(open + BANNER_WAIT))
    }

    fn step(&mut self, ready: bool, now: Micros) -> Option<Object> {
        let Some(open) = self.open else {
            if !ready {
                return Some(self.clock.result("timeout", now));
            }
            return match connected(&self.socket) {
                Ok(()) => {
                    self.open = Some(now);
                    // The deadline may have passed while the connection was opened.
                    (self.wake_at() <= now).then(|| self.clock.result("open", now))
                }
                Err(errno) => Some(self.clock.failed(errno, now)),
            };
        };
        let answer = self.clock.result("open", open);
        let mut buffer = [0; BANNER];
        match receive(&self.socket, &mut buffer) {
            // A proxy that accepts for an unreachable target betrays itself by what it does next.
            Some(Ok([])) => Some(answer.text("then", "closed")),
            Some(Ok(banner)) => Some(answer.text("banner", banner)),
            Some(Err(Errno::CONNRESET)) => Some(answer.text("then", "reset")),
            Some(Err(_)) => Some(answer),
            None => (self.wake_at() <= now).then_some(answer),
        }
    }
}
