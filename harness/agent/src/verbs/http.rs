//! `http ADDR PORT METHOD PATH MAX_BODY TIMEOUT_MS [HEADER]...`: one plain HTTP request and what comes back. Where MAX_BODY is the word
//! `digest`, nothing of the body is quoted, and its digests are told instead.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketType, send};

use super::answer::{Answer, Reading};
use super::socket::{connected, dial, receive, write_address};
use super::{Begun, Clock, Exchange};
use crate::clock::Micros;
use crate::digest::{modulus, sha256};
use crate::json::Object;
use crate::words::{Why, Words};

/// How much of an answer that is not HTTP is worth quoting.
const QUOTE: usize = 128;

/// The most of a body that a digest is made of.
const DIGESTED: usize = 64 << 10;

struct Http {
    socket: OwnedFd,
    clock: Clock,
    request: Vec<u8>,
    phase: Phase,
    answer: Answer,
    digest: bool,
}

enum Phase {
    Connecting,
    /// So much of the request is sent.
    Sending(usize),
    Receiving,
}

pub fn begin(mut words: Words<'_>, now: Micros) -> Result<Begun, Why> {
    let (address, port) = (words.address()?, words.port()?);
    let method = words.word("no method")?;
    let path = words.word("no path")?;
    let digest = words.peek() == Some(b"digest");
    let max_body = if digest { words.next().map_or(0, |_| DIGESTED) } else { words.limit()? };
    let clock = Clock::new(now, words.span()?);
    let request = request(address, method, path, words)?;
    let answer = Answer::new(max_body, method == b"HEAD");
    Ok(match dial(SocketType::STREAM, address, port) {
        Ok(socket) => {
            Begun::Running(Box::new(Http { socket, clock, request, phase: Phase::Connecting, answer, digest }))
        }
        Err(errno) => match Begun::failed_at(errno, &clock) {
            Begun::Answered(answer) => Begun::Answered(answer.flag("connected", false)),
            begun => begun,
        },
    })
}

fn request(address: IpAddr, method: &[u8], path: &[u8], headers: Words<'_>) -> Result<Vec<u8>, Why> {
    if !method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-') {
        return Err("a method of other than capital letters");
    }
    if !path.starts_with(b"/") || path.iter().any(u8::is_ascii_control) {
        return Err("a path that does not start with / or has control characters");
    }
    let mut request = Vec::with_capacity(512);
    for part in [method, b" ", path, b" HTTP/1.1\r\n"] {
        request.extend_from_slice(part);
    }
    let mut host = false;
    for header in headers {
        let colon = header.iter().position(|byte| *byte == b':').ok_or("a header without colon")?;
        let (name, value) = header.split_at(colon);
        if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)) {
            return Err("a header with a bad name");
        }
        host |= name.eq_ignore_ascii_case(b"host");
        request.extend_from_slice(name);
        request.extend_from_slice(b": ");
        decode(value.get(1..).unwrap_or_default(), &mut request)?;
        request.extend_from_slice(b"\r\n");
    }
    if !host {
        request.extend_from_slice(b"Host: ");
        if address.is_ipv6() {
            request.push(b'[');
        }
        write_address(address, &mut request);
        if address.is_ipv6() {
            request.push(b']');
        }
        request.extend_from_slice(b"\r\n");
    }
    if !matches!(method, b"GET" | b"HEAD") {
        request.extend_from_slice(b"Content-Length: 0\r\n");
    }
    // A server's log then tells which probe it was, where addresses on the way are rewritten.
    request.extend_from_slice(b"User-Agent: oke-conformance ");
    request.extend_from_slice(rustix::system::uname().nodename().to_bytes());
    request.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
    Ok(request)
}

/// Decodes %20 and %25, the only two that a line's grammar makes necessary; any other % stands for itself.
fn decode(mut value: &[u8], out: &mut Vec<u8>) -> Result<(), Why> {
    while let [first, rest @ ..] = value {
        let (byte, rest) = match value {
            [b'%', b'2', b'0', rest @ ..] => (b' ', rest),
            [b'%', b'2', b'5', rest @ ..] => (b'%', rest),
            _ => (*first, rest),
        };
        if byte.is_ascii_control() {
            return Err("a header with control characters");
        }
        out.push(byte);
        value = rest;
    }
    Ok(())
}

impl Http {
    /// What to say when nothing more will come.
    fn conclude(&self, reading: Reading, now: Micros) -> Option<Object> {
        Some(match reading {
            Reading::More => return None,
            Reading::Malformed(why) => {
                let answer = self.clock.result("malformed", now).flag("connected", true).text("why", why);
                match self.answer.quote(QUOTE) {
                    [] => answer,
                    _ if self.digest => answer,
                    quote => answer.text("banner", quote),
                }
            }
            Reading::Whole { status, body, complete } => {
                let shown = body.get(..self.answer.max_body()).unwrap_or(&body);
                let answer = self
                    .clock
                    .result("answered", now)
                    .number("status", status.into())
                    .number("bytes", body.len() as u64)
                    .flag("complete", complete);
                if !self.digest {
                    return Some(answer.text("body", shown));
                }
                let answer = answer.text("sha256", sha256(&body));
                match modulus(&body) {
                    Some(modulus) => answer.text("modulus", sha256(&modulus)),
                    None => answer,
                }
            }
        })
    }

    fn send(&mut self, mut sent: usize, now: Micros) -> Option<Object> {
        while let Some(rest) = self.request.get(sent..).filter(|rest| !rest.is_empty()) {
            match send(&self.socket, rest, SendFlags::NOSIGNAL) {
                Ok(n) => sent += n,
                Err(Errno::AGAIN | Errno::INTR) => {
                    self.phase = Phase::Sending(sent);
                    return None;
                }
                Err(errno) => {
                    // The peer may have answered before it hung up.
                    self.phase = Phase::Receiving;
                    return self.receive(Some(errno), now);
                }
            }
        }
        self.phase = Phase::Receiving;
        None
    }

    fn receive(&mut self, mut broken: Option<Errno>, now: Micros) -> Option<Object> {
        let mut buffer = [0; 4096];
        let mut ended = broken.is_some();
        while let Some(received) = receive(&self.socket, &mut buffer) {
            match received {
                Ok([]) => ended = true,
                Ok(piece) => {
                    if self.answer.extend(piece) {
                        continue;
                    }
                    ended = true;
                }
                Err(errno) => {
                    ended = true;
                    broken = broken.or(Some(errno));
                }
            }
            break;
        }
        match (self.answer.read(ended), broken) {
            // A reset before any answer is the network's word, not the server's.
            (Reading::Malformed(_), Some(errno)) if self.answer.quote(1).is_empty() => {
                Some(self.clock.failed(errno, now).flag("connected", true))
            }
            (reading, _) => self.conclude(reading, now),
        }
    }
}

impl Exchange for Http {
    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let events = if matches!(self.phase, Phase::Receiving) { PollFlags::IN } else { PollFlags::OUT };
        Some((self.socket.as_fd(), events))
    }

    fn wake_at(&self) -> Micros {
        self.clock.deadline
    }

    fn step(&mut self, ready: bool, now: Micros) -> Option<Object> {
        if ready {
            let answer = match self.phase {
                Phase::Connecting => match connected(&self.socket) {
                    Ok(()) => self.send(0, now),
                    Err(errno) => Some(self.clock.failed(errno, now).flag("connected", false)),
                },
                Phase::Sending(sent) => self.send(sent, now),
                Phase::Receiving => self.receive(None, now),
            };
            if answer.is_some() {
                return answer;
            }
        }
        if now < self.clock.deadline {
            return None;
        }
        match self.answer.read(true) {
            // The status came in time, the rest of the body did not.
            reading @ Reading::Whole { .. } => self.conclude(reading, now),
            _ => {
                let connected = !matches!(self.phase, Phase::Connecting);
                Some(self.clock.result("timeout", now).flag("connected", connected))
            }
        }
    }
}
