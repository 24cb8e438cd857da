//! `echo ADDR TIMEOUT_MS`: does an ICMP echo request come back? By a socket that the kernel lends to whom it may (icmp(7): `ping_group_range`).

use alloc::boxed::Box;
use core::net::IpAddr;

use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketType, ipproto, send};

use super::socket::{dial_by, receive};
use super::{Begun, Clock, Exchange};
use crate::clock::Micros;
use crate::json::Object;
use crate::words::{Why, Words};

/// Requests may be lost without anybody denying anything.
const TRIES: u64 = 4;

struct Echo {
    socket: OwnedFd,
    clock: Clock,
    /// Type, code, and what the kernel fills in: checksum and identifier (RFC 792, RFC 4443); then a number and a word.
    request: [u8; 16],
    sent: u64,
}

pub fn begin(mut words: Words<'_>, now: Micros) -> Result<Begun, Why> {
    let (address, clock) = (words.address()?, Clock::new(now, words.span()?));
    words.end()?;
    let (protocol, kind) = match address {
        IpAddr::V4(_) => (ipproto::ICMP, 8),
        IpAddr::V6(_) => (ipproto::ICMPV6, 128),
    };
    let mut request = *b"\0\0\0\0\0\0\0\x01conforms";
    request[0] = kind;
    Ok(match dial_by(SocketType::DGRAM, Some(protocol), address, 0) {
        Ok(socket) => Begun::Running(Box::new(Echo { socket, clock, request, sent: 0 })),
        Err(errno) => Begun::failed_at(errno, &clock),
    })
}

impl Exchange for Echo {
    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        Some((self.socket.as_fd(), PollFlags::IN))
    }

    fn wake_at(&self) -> Micros {
        self.clock.turn(self.sent, TRIES)
    }

    fn step(&mut self, ready: bool, now: Micros) -> Option<Object> {
        if ready {
            let mut buffer = [0; 64];
            while let Some(received) = receive(&self.socket, &mut buffer) {
                match received {
                    // The kernel hands over replies to this socket's own requests alone.
                    Ok(_) => return Some(self.clock.result("answered", now)),
                    Err(errno) => return Some(self.clock.failed(errno, now)),
                }
            }
        }
        while self.wake_at() <= now {
            if self.sent == TRIES {
                return Some(self.clock.result("timeout", now));
            }
            self.sent += 1;
            match send(&self.socket, &self.request, SendFlags::NOSIGNAL) {
                Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => {}
                Err(errno) => return Some(self.clock.failed(errno, now)),
            }
        }
        None
    }
}
