//! Packets: where they must not arrive, where they must, and how long it takes until that is so.
pub mod bypass;
mod closed_nodes;
pub mod enforcement;
pub mod grants;
pub mod kubelet;
pub mod ladder;
pub mod names;
pub mod node_port;
pub mod overlay;
pub mod reach;
pub mod service_path;
pub mod startup_window;
pub mod still_works;
pub mod webhook_call;
pub mod withheld;
pub mod witness;
