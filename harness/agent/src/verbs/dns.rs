//! `dns NAME TYPE SERVER TIMEOUT_MS`: what a name server says, asked directly: no search list, no cache, no hosts file.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use rustix::io::Errno;
use rustix::net::SocketType;
use rustix::rand::{GetRandomFlags, getrandom};

use super::question::{Question, ask};
use super::read::contents;
use super::socket::{dial, write_address};
use super::{Begun, Clock, failed};
use crate::clock::Micros;
use crate::json::Object;
use crate::words::{Why, Words, address, port};

const HEADER: usize = 12;
const A: u16 = 1;
const AAAA: u16 = 28;
const IN: u16 = 1;
const TRUNCATED: u8 = 2;

struct Dns {
    server: IpAddr,
    query: Vec<u8>,
}

pub fn begin(mut words: Words<'_>, now: Micros) -> Result<Begun, Why> {
    let mut query = Vec::with_capacity(HEADER + 260);
    // One question, recursion desired; the id is filled in last.
    query.extend_from_slice(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    write_name(words.word("no name")?, &mut query)?;
    let kind = match words.word("no type")? {
        word if word.eq_ignore_ascii_case(b"a") => A,
        word if word.eq_ignore_ascii_case(b"aaaa") => AAAA,
        _ => return Err("a type other than a or aaaa"),
    };
    query.extend_from_slice(&kind.to_be_bytes());
    query.extend_from_slice(&IN.to_be_bytes());
    let server = words.word("no server")?;
    let clock = Clock::new(now, words.span()?);
    words.end()?;
    let (server, port) = match server {
        b"-" => match configured() {
            Ok(Some(server)) => (server, 53),
            Ok(None) => return Ok(Begun::Answered(Object::new().text("result", "error").text("why", "no nameserver"))),
            Err(errno) => return Ok(Begun::Answered(failed(errno))),
        },
        server => endpoint(server).ok_or("a server that is neither - nor ADDR nor ADDR#PORT")?,
    };
    let mut id = [0; 2];
    if let (Ok(_), Some(place)) = (getrandom(&mut id, GetRandomFlags::NONBLOCK), query.get_mut(..2)) {
        place.copy_from_slice(&id);
    }
    Ok(ask(dial(SocketType::DGRAM, server, port), clock, Box::new(Dns { server, query })))
}

/// `ADDR`, or `ADDR#PORT` as dig writes it.
fn endpoint(word: &[u8]) -> Option<(IpAddr, u16)> {
    let mut parts = word.splitn(2, |byte| *byte == b'#');
    let server = parts.next().and_then(address)?;
    Some((server, parts.next().map_or(Some(53), port)?))
}

/// The first nameserver of resolv.conf.
fn configured() -> Result<Option<IpAddr>, Errno> {
    let (text, _) = contents(c"/etc/resolv.conf", 64 << 10)?;
    let server = text.split(|byte| *byte == b'\n').find_map(|line| {
        let mut words = Words::new(line);
        (words.next()? == b"nameserver").then(|| words.next())?
    });
    Ok(server.and_then(address))
}

/// Appends the name's labels.
fn write_name(name: &[u8], out: &mut Vec<u8>) -> Result<(), Why> {
    const BAD: Why = "a bad domain name";
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.len() > 253 {
        return Err(BAD);
    }
    for label in name.split(|byte| *byte == b'.') {
        let sound = (1..=63).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
        if !sound {
            return Err(BAD);
        }
        out.push(label.len() as u8);
        out.extend_from_slice(label);
    }
    out.push(0);
    Ok(())
}

fn rcode(code: u8) -> &'static str {
    const NAMES: [&str; 16] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
        "NOTZONE", "RCODE11", "RCODE12", "RCODE13", "RCODE14", "RCODE15",
    ];
    NAMES.get(usize::from(code)).copied().unwrap_or("RCODE16")
}

/// A packet being read.
struct Packet<'a>(&'a [u8]);

impl<'a> Packet<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A name is either labels up to the root, or ends in a pointer, which need not be followed to skip it.
    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.take(1)? {
                [0] => return Some(()),
                [length @ 1..64] => drop(self.take(usize::from(*length))?),
                [192..=255] => return self.take(1).map(drop),
                _ => return None,
            }
        }
    }

    fn addresses(&mut self, records: u16, kind: u16) -> Option<Vec<Vec<u8>>> {
        let mut addresses = Vec::new();
        for _ in 0..records {
            self.skip_name()?;
            let (found, class) = (self.short()?, self.short()?);
            self.take(4)?;
            let length = self.short()?;
            let data = self.take(length.into())?;
            if found == kind && class == IN {
                let address = match kind {
                    A => IpAddr::from(<[u8; 4]>::try_from(data).ok()?),
                    _ => IpAddr::from(<[u8; 16]>::try_from(data).ok()?),
                };
                let mut text = Vec::new();
                write_address(address, &mut text);
                addresses.push(text);
            }
        }
        Some(addresses)
    }
}

impl Question for Dns {
    fn tries(&self) -> u64 {
        3
    }

    fn bytes(&self) -> &[u8] {
        &self.query
    }

    fn answer(&self, packet: &[u8], clock: &Clock, now: Micros) -> Option<Object> {
        let (header, mut rest) = (packet.get(..HEADER)?, Packet(packet.get(HEADER..)?));
        let [id0, id1, flags, code, q0, q1, a0, a1, ..] = *header else { return None };
        let asked = self.query.get(HEADER..)?;
        // Some servers leave the question out of an error; then the id, checked with it, has to do.
        let questions = u16::from_be_bytes([q0, q1]);
        let ours = match questions {
            0 => code & 15 != 0,
            1 => rest.take(asked.len())?.eq_ignore_ascii_case(asked),
            _ => false,
        };
        if self.query.get(..2)? != [id0, id1] || flags & 0x80 == 0 || !ours {
            return None;
        }
        let kind = u16::from_be_bytes(asked.get(asked.len().checked_sub(4)?..)?.get(..2)?.try_into().ok()?);
        let truncated = flags & TRUNCATED != 0;
        let mut server = Vec::new();
        write_address(self.server, &mut server);
        Some(match rest.addresses(u16::from_be_bytes([a0, a1]), kind) {
            Some(addresses) => clock
                .result("answered", now)
                .text("server", server)
                .text("rcode", rcode(code & 15))
                .flag("truncated", truncated)
                .list("addresses", addresses),
            None => clock.result("malformed", now).text("server", server).text("rcode", rcode(code & 15)),
        })
    }
}
