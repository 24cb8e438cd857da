//! Non-blocking sockets, connected, and their addresses.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, connect, recv, socket_with, sockopt};

use crate::json::number;

/// Opens a socket and starts connecting it; whether that has succeeded is told by [`connected`] once it is writable.
pub fn dial(kind: SocketType, address: IpAddr, port: u16) -> Result<OwnedFd, Errno> {
    dial_by(kind, None, address, port)
}

/// ... of a protocol that is not the kind's own.
pub fn dial_by(kind: SocketType, protocol: Option<Protocol>, address: IpAddr, port: u16) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, protocol)?;
    match connect(&socket, &SocketAddr::new(address, port)) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// How connecting ended; to be asked when the socket is ready.
pub fn connected(socket: impl AsFd) -> Result<(), Errno> {
    sockopt::socket_error(socket)?
}

/// What has arrived, or `None` when nothing has.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Option<Result<&[u8], Errno>> {
    match recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
        Ok((n, _)) => Some(Ok(buffer.get(..n).unwrap_or_default())),
        Err(Errno::AGAIN | Errno::INTR) => None,
        Err(errno) => Some(Err(errno)),
    }
}

/// Appends the address as text (RFC 5952); the standard formatting would cost 4 KB.
pub fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    let groups = match address {
        IpAddr::V4(address) => {
            for (i, octet) in address.octets().into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                number(out, octet.into());
            }
            return;
        }
        IpAddr::V6(address) => address.segments(),
    };
    let zeros = |from: usize| groups.iter().skip(from).take_while(|group| **group == 0).count();
    // The first of the longest runs; one zero alone is written out.
    let gap = (0..8).rev().max_by_key(|from| zeros(*from)).filter(|from| zeros(*from) > 1);
    let mut at = 0;
    while let Some(group) = groups.get(at) {
        if Some(at) == gap {
            out.extend_from_slice(b"::");
            at += zeros(at);
            continue;
        }
        if at > 0 && out.last() != Some(&b':') {
            out.push(b':');
        }
        for shift in [12, 8, 4, 0] {
            if group >> shift > 0 || shift == 0 {
                out.extend(char::from_digit(u32::from(group >> shift) & 15, 16).map(|digit| digit as u8));
            }
        }
        at += 1;
    }
}
