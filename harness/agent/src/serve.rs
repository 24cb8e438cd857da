//! `agent serve [tcp:PORT|keep:PORT|udp:PORT]... [window ...]`: the pod's first process, and something to reach. Each TCP connection is greeted at
//! once, or kept and sent back what it says; each datagram is sent back; where it measures its own first moments, as soon as those are over.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, accept_with, bind, listen, recv, recvfrom,
    send, sendto, shutdown, socket_with, sockopt,
};

use crate::clock::{MILLI, Micros, now, timespec};
use crate::start::Args;
use crate::words::port;
use crate::{errno, json, sys, window};

/// A connection is kept until its peer has hung up: closing earlier, with the peer's request unread, would be a reset that
/// may overtake the greeting.
const PATIENCE: Micros = 2000 * MILLI;

/// ... and one that is to be kept, so long.
const KEPT: Micros = 60_000 * MILLI;

/// The most connections that are kept so; beyond, the oldest has to go.
const MOST_PEERS: usize = 128;

/// A crowd of probes comes at once, and a connection that finds no room costs its peer a second. The kernel has its own limit.
const BACKLOG: i32 = 1024;

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

struct Port {
    socket: OwnedFd,
    kind: SocketType,
    number: u16,
    keeps: bool,
}

struct Peer {
    socket: OwnedFd,
    until: Micros,
    kept: bool,
}

pub fn run(mut args: Args) -> Option<i32> {
    let start = now();
    sys::behave_as_init();
    let mut ports = Vec::new();
    while let Some(arg) = args.next() {
        if arg.to_bytes() == b"window" {
            window::run(args, start)?;
            break;
        }
        let (kind, number, keeps) = parse(arg.to_bytes())?;
        match open(kind, number) {
            Ok(socket) => ports.push(Port { socket, kind, number, keeps }),
            Err(errno) => {
                let name = errno::name(errno);
                let [arg, name] = [arg.to_bytes(), &name].map(|text| core::str::from_utf8(text).unwrap_or_default());
                sys::complain(&["agent: cannot serve ", arg, ": ", name, "\n"]);
            }
        }
    }
    serve(&ports, &greeting())
}

fn parse(arg: &[u8]) -> Option<(SocketType, u16, bool)> {
    let (kind, number, keeps) = match arg {
        [b't', b'c', b'p', b':', number @ ..] => (SocketType::STREAM, number, false),
        [b'k', b'e', b'e', b'p', b':', number @ ..] => (SocketType::STREAM, number, true),
        [b'u', b'd', b'p', b':', number @ ..] => (SocketType::DGRAM, number, false),
        _ => return None,
    };
    Some((kind, port(number)?, keeps))
}

/// A socket for both IP families, or for IPv4 where there is no IPv6.
fn open(kind: SocketType, number: u16) -> Result<OwnedFd, Errno> {
    let open = |family, address| {
        let socket = socket_with(family, kind, FLAGS, None)?;
        if family == AddressFamily::INET6 {
            sockopt::set_ipv6_v6only(&socket, false)?;
        }
        if kind == SocketType::STREAM {
            sockopt::set_socket_reuseaddr(&socket, true)?;
        }
        bind(&socket, &SocketAddr::new(address, number))?;
        if kind == SocketType::STREAM {
            listen(&socket, BACKLOG)?;
        }
        Ok(socket)
    };
    open(AddressFamily::INET6, IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        .or_else(|_: Errno| open(AddressFamily::INET, IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
}

fn greeting() -> Vec<u8> {
    let name = rustix::system::uname();
    let mut body = Vec::from(b"oke-conformance agent ");
    body.extend_from_slice(CStr::to_bytes(name.nodename()));
    body.push(b'\n');
    let mut greeting = Vec::from(b"HTTP/1.1 200 OK\r\nContent-Length: ");
    json::number(&mut greeting, body.len() as u64);
    greeting.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
    greeting.extend_from_slice(&body);
    greeting
}

fn serve(ports: &[Port], greeting: &[u8]) -> ! {
    let mut peers: Vec<Peer> = Vec::with_capacity(MOST_PEERS);
    loop {
        let ready = wait(ports, &peers);
        let time = now();
        let mut events = ready.iter().copied().skip(ports.len());
        peers.retain(|peer| {
            let ready = events.next() == Some(true);
            peer.until > time && !(ready && has_gone(peer))
        });
        for (port, _) in ports.iter().zip(&ready).filter(|(_, ready)| **ready) {
            if port.kind == SocketType::DGRAM {
                echo(port, ports);
            } else if let Some(peer) = greet(port, greeting, time) {
                if peers.len() == MOST_PEERS {
                    peers.remove(0);
                }
                peers.push(peer);
            }
        }
    }
}

/// Which of the ports and then the peers are ready; returns early when a peer's patience is over.
fn wait(ports: &[Port], peers: &[Peer]) -> Vec<bool> {
    let sockets = ports.iter().map(|port| &port.socket).chain(peers.iter().map(|peer| &peer.socket));
    let mut fds: Vec<_> = sockets.map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)).collect();
    let time = now();
    let first = peers.iter().map(|peer| peer.until).min();
    let timeout = first.map(|until| timespec(until.saturating_sub(time)));
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) => fds.iter().map(|fd| !fd.revents().is_empty()).collect(),
        Err(_) => fds.iter().map(|_| false).collect(),
    }
}

fn greet(port: &Port, greeting: &[u8], time: Micros) -> Option<Peer> {
    let socket = accept_with(&port.socket, FLAGS).ok()?;
    if port.keeps {
        return Some(Peer { socket, until: time + KEPT, kept: true });
    }
    // It always fits into a new connection's buffer.
    send(&socket, greeting, SendFlags::NOSIGNAL).ok()?;
    shutdown(&socket, Shutdown::Write).ok()?;
    Some(Peer { socket, until: time + PATIENCE, kept: false })
}

/// Throws away what the peer says, or sends it back where it is kept; true once it has hung up.
fn has_gone(peer: &Peer) -> bool {
    let mut buffer = [0; 2048];
    match recv(&peer.socket, &mut buffer, RecvFlags::DONTWAIT) {
        Ok((n @ 1.., _)) if peer.kept => {
            send(&peer.socket, buffer.get(..n).unwrap_or_default(), SendFlags::NOSIGNAL).is_err()
        }
        Ok((1.., _)) | Err(Errno::AGAIN | Errno::INTR) => false,
        _ => true,
    }
}

fn echo(port: &Port, ports: &[Port]) {
    let mut buffer = [0; 2048];
    let Ok((n, _, Some(from))) = recvfrom(&port.socket, &mut buffer, RecvFlags::DONTWAIT) else { return };
    // Two agents must not echo each other's echoes for ever.
    let source = SocketAddr::try_from(from.clone()).map_or(0, |from| from.port());
    if !ports.iter().any(|port| port.kind == SocketType::DGRAM && port.number == source) {
        let _ = sendto(&port.socket, buffer.get(..n).unwrap_or_default(), SendFlags::NOSIGNAL, &from);
    }
}
