//! Every path among some pods, and what became of each.
use std::net::{IpAddr, SocketAddr};

use crate::network_policy::model::{PolicyPod, Port, Protocol, World};
use crate::probe::batch::{Answer, Touch, Verb};

/// Another way to a pod's port: through a Service's address, or a node's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// What it is, for the reader.
    pub name: String,
    /// The pod behind it, by its place in the world.
    pub behind: usize,
    /// The pod's port.
    pub port: Port,
    /// Its own address.
    pub address: IpAddr,
    /// Its own port.
    pub number: u16,
}

/// From a pod to a port of another, by their places in the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Who sends.
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// To which port.
    pub port: Port,
    /// To which address.
    pub socket: SocketAddr,
    /// Through what, where it is not the pod's own address.
    pub through: Option<String>,
}

/// The paths that one pod tries.
pub fn paths_from(from: usize, world: &World, ports: &[Port], doors: &[Door]) -> Vec<Path> {
    let others = (0..world.pods.len()).filter(|to| *to != from);
    let plain = others.flat_map(|to| {
        ports.iter().map(move |port| {
            let socket = SocketAddr::new(world.pods[to].address, port.number);
            Path { from, to, port: *port, socket, through: None }
        })
    });
    let through = doors.iter().filter(|door| door.behind != from).map(|door| {
        let socket = SocketAddr::new(door.address, door.number);
        Path { from, to: door.behind, port: door.port, socket, through: Some(door.name.clone()) }
    });
    plain.chain(through).collect()
}

impl Path {
    /// The attempt.
    pub fn verb(&self) -> Verb {
        let (to, port) = (self.socket.ip(), self.socket.port());
        match self.port.protocol {
            Protocol::Tcp => Verb::Tcp { to, port },
            Protocol::Udp => Verb::Udp { to, port },
        }
    }

    /// Whether the world's policies let it through. A Service's address stands for the pod's: policies are about pods.
    pub fn granted(&self, world: &World) -> bool {
        world.admits(&world.pods[self.from], &world.pods[self.to], self.port)
    }

    /// Whether engines may differ about it.
    pub fn left_open(&self, world: &World) -> bool {
        world.leaves_open(&world.pods[self.from], &world.pods[self.to], self.port)
    }
}

/// What differs from what must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deviations {
    /// Open, and must be closed.
    pub leaking: Vec<String>,
    /// Closed, and must be open.
    pub cut: Vec<String>,
    /// Neither the one nor the other.
    pub unclear: Vec<String>,
}

impl Deviations {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.leaking.is_empty() && self.cut.is_empty() && self.unclear.is_empty()
    }

    /// Holds what was observed against what the world's policies say.
    pub fn of(world: &World, observed: &[(Path, Answer)], name: impl Fn(&PolicyPod) -> String) -> Self {
        let mut deviations = Self::default();
        for (path, answer) in observed {
            let list = match (answer.touch(), path.granted(world)) {
                (Touch::Reached, true) | (Touch::Stopped, false) => continue,
                (Touch::Reached, false) => &mut deviations.leaking,
                (Touch::Stopped, true) => &mut deviations.cut,
                (Touch::Unclear, _) => &mut deviations.unclear,
            };
            let (from, to) = (&world.pods[path.from], &world.pods[path.to]);
            let (protocol, socket) = (path.port.protocol.name(), path.socket);
            let through = path.through.as_ref().map(|door| format!(" through {door}")).unwrap_or_default();
            list.push(format!("{protocol} {} to {}{through} ({socket}): {answer}", name(from), name(to)));
        }
        deviations
    }
}
