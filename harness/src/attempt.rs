//! Performing the forbidden act, and judging what came of it, by medium: what the API server is asked for, packets, the kernel of a node.
//!
//! Each kind of act is a builder that can be awaited only once its guards and its control are named. A kind is a file here and nothing
//! elsewhere: it brings its own words ([`crate::cx::Cx`]'s methods), its own memory of the run ([`crate::memory`]), and its own
//! measurements ([`crate::record::measurement`]). Whose refusal an answer is, says [`crate::denial`], which knows none of them.
pub mod api;
pub mod node;
pub mod packets;
