//! The faults there are.

use anyhow::{Context, Result};
use hyper::StatusCode;

use super::blow::Blow;
use super::wire::{From, Wire};
use crate::prove::Seed;

/// Something that goes wrong around a run, and must never make it pass.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its name on the command line.
    pub name: &'static str,
    /// What goes wrong, and when.
    pub summary: &'static str,
    pub(super) wire: Wire,
    pub(super) from: From,
    pub(super) blow: Option<Blow>,
}

const fn wire(name: &'static str, summary: &'static str, wire: Wire, from: From) -> Fault {
    Fault { name, summary, wire, from, blow: None }
}

const fn blow(name: &'static str, summary: &'static str, blow: Blow) -> Fault {
    Fault { name, summary, wire: Wire::Whole, from: From::Begun, blow: Some(blow) }
}

/// Nothing is wrong: what every other run is compared with.
pub(super) const NONE: Fault = wire("none", "nothing is wrong", Wire::Whole, From::Begun);

/// Where in a run its middle is: some attempts are judged, others under way, others yet to come.
pub(super) const MIDDLE: From = From::Exec(4);

const ALL: [Fault; 22] = [
    // Side by side, whatever else is drawn: each of these ends with a sweep that gives up.
    wire(
        "429-for-good",
        "from the middle of the run on, all of them",
        Wire::Refused(StatusCode::TOO_MANY_REQUESTS, 1),
        MIDDLE,
    ),
    wire(
        "500-for-good",
        "from the middle of the run on, all of them",
        Wire::Refused(StatusCode::INTERNAL_SERVER_ERROR, 1),
        MIDDLE,
    ),
    wire(
        "503-for-good",
        "from the middle of the run on, all of them",
        Wire::Refused(StatusCode::SERVICE_UNAVAILABLE, 1),
        MIDDLE,
    ),
    wire("delayed", "every answer comes 300 to 1500 ms late", Wire::Late, From::Begun),
    wire(
        "cut",
        "a third of the connections break off, in the middle of the answer or before it",
        Wire::Cut,
        From::Begun,
    ),
    wire("halved", "half of the bodies end half-way and are said to be whole", Wire::Halved, From::Begun),
    wire(
        "429",
        "a third of the requests are answered 429 with Retry-After",
        Wire::Refused(StatusCode::TOO_MANY_REQUESTS, 3),
        From::Begun,
    ),
    wire(
        "500",
        "half of the requests are answered 500",
        Wire::Refused(StatusCode::INTERNAL_SERVER_ERROR, 2),
        From::Begun,
    ),
    wire(
        "503",
        "a third of the requests are answered 503",
        Wire::Refused(StatusCode::SERVICE_UNAVAILABLE, 3),
        From::Begun,
    ),
    wire(
        "403-page",
        "a proxy on the way answers half of the requests with a web page: 403",
        Wire::Page(StatusCode::FORBIDDEN, 2),
        From::Begun,
    ),
    wire(
        "exec-half-closed",
        "what an exec answers ends after some bytes, without a close frame",
        Wire::ExecEnds,
        From::Begun,
    ),
    wire("exec-silent", "an exec stays open and says no more", Wire::ExecSilent, From::Begun),
    blow("token-expired", "from the middle of the run on the operator's token is not accepted", Blow::TokenExpired),
    blow("probe-evicted", "every probe is evicted once execs begin", Blow::ProbesEvicted),
    blow(
        "listener-evicted",
        "tenant-b's probes are evicted between their control and what is tried on them",
        Blow::ListenersEvicted,
    ),
    blow(
        "metadata-lost",
        "the workers lose the way to the metadata service between the controls and what is tried on it",
        Blow::MetadataLost,
    ),
    blow("node-frozen", "a worker stops dead at the first exec", Blow::NodeFrozen),
    Fault {
        name: "node-frozen-delayed",
        summary: "a worker stops dead, and every answer comes late besides",
        wire: Wire::Late,
        from: From::Begun,
        blow: Some(Blow::NodeFrozen),
    },
    blow("machine-busy", "others keep the machine busy throughout, two busy loops a processor", Blow::MachineBusy),
    blow("node-throttled", "a worker has a tenth of the machine throughout", Blow::NodeThrottled),
    blow(
        "slow-half-way",
        "from the middle of the run on all workers have a tenth of the machine each",
        Blow::SlowHalfWay,
    ),
    // The last: a plug-in that comes back writes anew what a sabotage had taken from it.
    blow("cni-stopped", "the network plug-in's agent is gone before the run", Blow::NetworkStopped),
];

impl Fault {
    /// What a night takes in: of those that make everything late, so that a run takes minutes, the one that `seed` draws; all others.
    pub(crate) fn of_a_night(seed: Seed) -> Vec<Self> {
        let drawn = ALL.into_iter().filter(Self::takes_minutes).min_by_key(|fault| seed.rank(fault.name));
        let is_drawn = |fault: &Self| drawn.is_some_and(|drawn| drawn.name == fault.name);
        ALL.into_iter().filter(|fault| !fault.takes_minutes() || is_drawn(fault)).collect()
    }

    fn takes_minutes(&self) -> bool {
        self.is_load() || self.wire == Wire::Late
    }

    /// Whether it is about how long things take.
    pub(super) fn is_load(&self) -> bool {
        self.blow.is_some_and(Blow::is_load)
    }

    /// Whether it strikes one run's way to the API server and nobody else's.
    pub(super) fn is_on_the_way(&self) -> bool {
        self.blow.is_none()
    }

    /// Every fault there is.
    pub fn all() -> Vec<Self> {
        ALL.to_vec()
    }

    /// # Errors
    /// When there is none of that name; the error lists those that there are.
    pub fn named(name: &str) -> Result<Self> {
        let names = || ALL.map(|fault| fault.name).join(", ");
        let found = ALL.into_iter().find(|fault| fault.name == name);
        found.with_context(|| format!("there is no fault `{name}`; there are: {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn over_many_nights_each_fault_has_its_turn() {
        let night = |number: u32| Fault::of_a_night(number.to_string().parse().unwrap());
        let slow = |night: &[Fault]| night.iter().filter(|fault| fault.takes_minutes()).count();
        assert!((0..50).map(night).all(|night| slow(&night) == 1));
        let seen: BTreeSet<&str> = (0..50).flat_map(night).map(|fault| fault.name).collect();
        assert_eq!(seen.len(), ALL.len());
    }
}
