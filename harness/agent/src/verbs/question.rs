//! A question that is sent again until something answers it: a datagram may be lost without anybody denying anything.

use alloc::boxed::Box;

use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::socket::receive;
use super::{Begun, Clock, Exchange};
use crate::clock::Micros;
use crate::json::Object;

/// What is asked, and what answers it.
pub trait Question {
    /// How often it is sent within its time.
    fn tries(&self) -> u64;

    /// What is sent.
    fn bytes(&self) -> &[u8];

    /// The answer, unless the datagram is another question's.
    fn answer(&self, datagram: &[u8], clock: &Clock, now: Micros) -> Option<Object>;
}

struct Asked {
    socket: OwnedFd,
    clock: Clock,
    question: Box<dyn Question>,
    sent: u64,
}

/// Asks it through `socket`.
pub fn ask(socket: Result<OwnedFd, Errno>, clock: Clock, question: Box<dyn Question>) -> Begun {
    match socket {
        Ok(socket) => Begun::Running(Box::new(Asked { socket, clock, question, sent: 0 })),
        Err(errno) => Begun::failed_at(errno, &clock),
    }
}

impl Exchange for Asked {
    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        Some((self.socket.as_fd(), PollFlags::IN))
    }

    fn wake_at(&self) -> Micros {
        self.clock.turn(self.sent, self.question.tries())
    }

    fn step(&mut self, ready: bool, now: Micros) -> Option<Object> {
        if ready {
            let mut buffer = [0; 4096];
            while let Some(received) = receive(&self.socket, &mut buffer) {
                match received.map(|datagram| self.question.answer(datagram, &self.clock, now)) {
                    Ok(None) => {}
                    Ok(answer) => return answer,
                    Err(errno) => return Some(self.clock.failed(errno, now)),
                }
            }
        }
        while self.wake_at() <= now {
            if self.sent == self.question.tries() {
                return Some(self.clock.result("timeout", now));
            }
            self.sent += 1;
            match send(&self.socket, self.question.bytes(), SendFlags::NOSIGNAL) {
                Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => {}
                Err(errno) => return Some(self.clock.failed(errno, now)),
            }
        }
        None
    }
}
