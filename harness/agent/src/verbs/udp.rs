//! `udp ADDR PORT NONCE TIMEOUT_MS`: does a datagram come back from an echoing peer?

use alloc::boxed::Box;
use alloc::vec::Vec;

use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketType, send};

use super::socket::{dial, receive};
use super::{Begun, Clock, Exchange};
use crate::clock::Micros;
use crate::json::Object;
use crate::words::{Why, Words};

/// Datagrams may be lost without anybody denying anything.
const TRIES: u64 = 4;
const LONGEST: usize = 1024;

struct Udp {
    socket: OwnedFd,
    clock: Clock,
    nonce: Vec<u8>,
    sent: u64,
}

pub fn begin(mut words: Words<'_>, now: Micros) -> Result<Begun, Why> {
    let (address, port, nonce) = (words.address()?, words.port()?, words.word("no nonce")?);
    let clock = Clock::new(now, words.span()?);
    words.end()?;
    if nonce.len() > LONGEST {
        return Err("a nonce of more than 1024 bytes");
    }
    Ok(match dial(SocketType::DGRAM, address, port) {
        Ok(socket) => Begun::Running(Box::new(Udp { socket, clock, nonce: nonce.into(), sent: 0 })),
        Err(errno) => Begun::failed_at(errno, &clock),
    })
}

impl Exchange for Udp {
    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        Some((self.socket.as_fd(), PollFlags::IN))
    }

    fn wake_at(&self) -> Micros {
        self.clock.turn(self.sent, TRIES)
    }

    fn step(&mut self, ready: bool, now: Micros) -> Option<Object> {
        if ready {
            // One more than the longest nonce, lest a longer datagram be taken for it.
            let mut buffer = [0; LONGEST + 1];
            while let Some(received) = receive(&self.socket, &mut buffer) {
                match received {
                    Ok(datagram) if datagram == self.nonce => return Some(self.clock.result("answered", now)),
                    Ok(_) => {}
                    Err(errno) => return Some(self.clock.failed(errno, now)),
                }
            }
        }
        while self.wake_at() <= now {
            if self.sent == TRIES {
                return Some(self.clock.result("timeout", now));
            }
            self.sent += 1;
            match send(&self.socket, &self.nonce, SendFlags::NOSIGNAL) {
                Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => {}
                Err(errno) => return Some(self.clock.failed(errno, now)),
            }
        }
        None
    }
}
