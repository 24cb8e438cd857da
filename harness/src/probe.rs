//! The agent, seen from outside: its pod, the exec protocol, batches of verbs.
pub mod agent;
pub mod asked;
pub mod batch;
pub mod dialled;
pub mod exec;
pub mod here;
pub mod https;
pub mod pod;
pub mod relay;
pub mod session;
pub mod start;

use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use asked::Asked;
use exec::Line;

/// A running agent.
#[derive(Debug)]
pub struct Probe {
    /// Its namespace.
    pub namespace: String,
    /// Its pod's name.
    pub pod: String,
    /// Its node.
    pub node: String,
    /// Its address.
    pub address: IpAddr,
    /// From the request that makes its pod to the pod running, in milliseconds.
    pub running_after_ms: u64,
    /// What its pod, as it was admitted, asks of the runtime.
    pub asked: Asked,
    pub(crate) running_since: Instant,
    pub(crate) line: Line,
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.namespace, self.node)
    }
}
