//! Whose refusal an answer is, and what it is about.
//!
//! The sentences are those of the program that refuses; each rule names the code that writes it. What no rule knows is no
//! denial: a bad argument, a full server and a webhook that could not be called all look like a "no" and prove nothing.
//!
//! Rules read from the front and stop at the first word that is not the writer's own. Free text (a policy's message, a
//! webhook's, an image's name) comes after those words, so it cannot pose as them; what it may do is be quoted in a reason.
//!
//! An answer is taken for that of whoever was asked. One that came through a `proxy` subresource is its backend's and does
//! not belong here, and events are as honest as the right to write them.
mod authorizer;
mod event;
mod go_text;
mod kernel;
mod limit_range;
mod network;
mod plugin;
mod pod;
mod pod_security;
mod policy;
mod protocol;
mod psp;
mod quota;
mod reason;
mod scheduler;
mod status;
mod warning;
mod webhook;

use serde::Serialize;

pub use limit_range::{Edge, Limit};
pub use network::Stopped;
pub use pod_security::Control;
pub use quota::Bound;
pub use reason::{Reason, by_whom};
pub use warning::{Warned, warned_by};
pub use webhook::Engine;

use crate::words::Guard;

/// A refusal that is known: who said no, and about what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Denial {
    /// Who said no.
    pub guard: Guard,
    /// About what.
    pub reason: Reason,
}

impl From<Reason> for Denial {
    fn from(reason: Reason) -> Self {
        Self { guard: reason.guard(), reason }
    }
}
