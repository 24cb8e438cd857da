//! `datagram ADDR PORT HEX TIMEOUT_MS`: sends one datagram of whatever content, and hears whether it is refused. Nobody has to answer:
//! whether it arrives is for its receiver to tell.

use alloc::boxed::Box;
use alloc::vec::Vec;

use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{SendFlags, SocketType, send};

use super::socket::{dial, receive};
use super::{Begun, Clock, Exchange};
use crate::clock::Micros;
use crate::json::Object;
use crate::words::{Why, Words};

const LONGEST: usize = 1024;

struct Datagram {
    socket: OwnedFd,
    clock: Clock,
}

pub fn begin(mut words: Words<'_>, now: Micros) -> Result<Begun, Why> {
    let (address, port, content) = (words.address()?, words.port()?, words.word("no content")?);
    let clock = Clock::new(now, words.span()?);
    words.end()?;
    let content = bytes(content).ok_or("no pairs of hexadecimal digits where they are expected")?;
    if content.len() > LONGEST {
        return Err("a datagram of more than 1024 bytes");
    }
    let sent = dial(SocketType::DGRAM, address, port).and_then(|socket| {
        send(&socket, &content, SendFlags::NOSIGNAL)?;
        Ok(socket)
    });
    Ok(match sent {
        Ok(socket) => Begun::Running(Box::new(Datagram { socket, clock })),
        Err(errno) => Begun::failed_at(errno, &clock),
    })
}

fn bytes(hex: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, []) = hex.as_chunks() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

impl Exchange for Datagram {
    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        Some((self.socket.as_fd(), PollFlags::IN))
    }

    fn wake_at(&self) -> Micros {
        self.clock.deadline
    }

    fn step(&mut self, ready: bool, now: Micros) -> Option<Object> {
        if ready && let Some(Err(errno)) = receive(&self.socket, &mut [0; 64]) {
            return Some(self.clock.failed(errno, now));
        }
        (self.wake_at() <= now).then(|| self.clock.result("sent", now))
    }
}
