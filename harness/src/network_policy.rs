//! NetworkPolicy: what the specification says a set of policies lets through, and pods on which a cluster can be held to it.
pub mod case;
pub(crate) mod crowd;
pub mod fixture;
pub mod latency;
pub mod matrix;
pub mod model;
pub mod outliving;
