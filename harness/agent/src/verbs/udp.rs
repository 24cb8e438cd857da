//! `udp ADDR PORT NONCE TIMEOUT_MS`: does a datagram come back from an echoing peer?

use alloc::boxed::Box;
use alloc::vec::Vec;

use rustix::net::SocketType;

use super::question::{Question, ask};
use super::socket::dial;
use super::{Begun, Clock};
use crate::clock::Micros;
use crate::json::Object;
use crate::words::{Why, Words};

const LONGEST: usize = 1024;

struct Udp(Vec<u8>);

pub fn begin(mut words: Words<'_>, now: Micros) -> Result<Begun, Why> {
    let (address, port, nonce) = (words.address()?, words.port()?, words.word("no nonce")?);
    let clock = Clock::new(now, words.span()?);
    words.end()?;
    if nonce.len() > LONGEST {
        return Err("a nonce of more than 1024 bytes");
    }
    Ok(ask(dial(SocketType::DGRAM, address, port), clock, Box::new(Udp(nonce.into()))))
}

impl Question for Udp {
    fn tries(&self) -> u64 {
        4
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn answer(&self, datagram: &[u8], clock: &Clock, now: Micros) -> Option<Object> {
        (datagram == self.0).then(|| clock.result("answered", now))
    }
}
