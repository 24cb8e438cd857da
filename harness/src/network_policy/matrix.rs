//! Every path among some pods, and what became of each.
use std::net::SocketAddr;

use crate::network_policy::model::{PolicyPod, Port, Protocol, World};
use crate::probe::batch::{Answer, Touch, Verb};

/// From a pod to a port of another, by their places in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Who sends.
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// To which port.
    pub port: Port,
}

/// The paths that one pod tries.
pub fn paths_from(from: usize, pods: usize, ports: &[Port]) -> Vec<Path> {
    let others = (0..pods).filter(|to| *to != from);
    others.flat_map(|to| ports.iter().map(move |port| Path { from, to, port: *port })).collect()
}

impl Path {
    /// The attempt.
    pub fn verb(&self, world: &World) -> Verb {
        let (to, port) = (world.pods[self.to].address, self.port.number);
        match self.port.protocol {
            Protocol::Tcp => Verb::Tcp { to, port },
            Protocol::Udp => Verb::Udp { to, port },
        }
    }

    /// Whether the world's policies let it through.
    pub fn granted(&self, world: &World) -> bool {
        world.admits(&world.pods[self.from], &world.pods[self.to], self.port)
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
            let (protocol, socket) = (path.port.protocol.name(), SocketAddr::new(to.address, path.port.number));
            list.push(format!("{protocol} {} to {} ({socket}): {answer}", name(from), name(to)));
        }
        deviations
    }
}
