//! One module for each subcommand.

pub(crate) mod node_image;
pub(crate) mod range;
pub(crate) mod sweep;
