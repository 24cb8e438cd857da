//! A line's words, each taken for what it must be.

use core::net::IpAddr;

use crate::clock::{MILLI, Micros};

/// Why a line is not understood.
pub type Why = &'static str;

/// The longest time-out or sleep. An exec that outlives it is a mistake.
const LONGEST_MS: u64 = 600_000;

/// The most bytes of a file or a body that are worth quoting.
const MOST_BYTES: u64 = 1 << 20;

/// What is left of a line.
#[derive(Clone)]
pub struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    pub fn new(line: &'a [u8]) -> Self {
        Self(line)
    }

    /// The next word without taking it.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.clone().next()
    }

    pub fn word(&mut self, why: Why) -> Result<&'a [u8], Why> {
        self.next().ok_or(why)
    }

    /// A literal address: names would need a resolver, and asking one is an attempt of its own.
    pub fn address(&mut self) -> Result<IpAddr, Why> {
        self.next().and_then(address).ok_or("no IP address literal where one is expected")
    }

    pub fn port(&mut self) -> Result<u16, Why> {
        self.next().and_then(port).ok_or("no port within 1..65535 where one is expected")
    }

    /// A span given in milliseconds.
    pub fn span(&mut self) -> Result<Micros, Why> {
        match self.next().and_then(number) {
            Some(ms @ 1..=LONGEST_MS) => Ok(ms * MILLI),
            _ => Err("no milliseconds within 1..600000 where they are expected"),
        }
    }

    /// A limit in bytes.
    pub fn limit(&mut self) -> Result<usize, Why> {
        match self.next().and_then(number) {
            Some(bytes @ 0..=MOST_BYTES) => Ok(bytes as usize),
            _ => Err("no limit within 0..1048576 bytes where one is expected"),
        }
    }

    pub fn end(&mut self) -> Result<(), Why> {
        self.next().map_or(Ok(()), |_| Err("too many arguments"))
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.0.trim_ascii_start();
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end)?;
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// Decimal digits only: no sign, no overflow.
pub fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(digit.into())
    })
}

pub fn port(word: &[u8]) -> Option<u16> {
    number(word).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

pub fn address(word: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(word).ok()?.parse().ok()
}
