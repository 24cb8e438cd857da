//! `echo ADDR TIMEOUT_MS`: does an ICMP echo request come back? By a socket that the kernel lends to whom it may (icmp(7): `ping_group_range`).

use alloc::boxed::Box;
use core::net::IpAddr;

use rustix::net::{SocketType, ipproto};

use super::question::{Question, ask};
use super::socket::dial_by;
use super::{Begun, Clock};
use crate::clock::Micros;
use crate::json::Object;
use crate::words::{Why, Words};

/// Type, code, and what the kernel fills in: checksum and identifier (RFC 792, RFC 4443); then a number and a word.
struct Echo([u8; 16]);

pub fn begin(mut words: Words<'_>, now: Micros) -> Result<Begun, Why> {
    let (address, clock) = (words.address()?, Clock::new(now, words.span()?));
    words.end()?;
    let (protocol, kind) = match address {
        IpAddr::V4(_) => (ipproto::ICMP, 8),
        IpAddr::V6(_) => (ipproto::ICMPV6, 128),
    };
    let mut request = *b"\0\0\0\0\0\0\0\x01conforms";
    request[0] = kind;
    Ok(ask(dial_by(SocketType::DGRAM, Some(protocol), address, 0), clock, Box::new(Echo(request))))
}

impl Question for Echo {
    fn tries(&self) -> u64 {
        4
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The kernel hands over replies to this socket's own requests alone.
    fn answer(&self, _: &[u8], clock: &Clock, now: Micros) -> Option<Object> {
        Some(clock.result("answered", now))
    }
}
