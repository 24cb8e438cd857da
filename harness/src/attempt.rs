//! Performing the forbidden act, and judging what came of it.
//!
//! Each kind of act is a builder that can be awaited only once its guards and its control are named.
pub mod access;
pub mod admission;
pub mod api;
pub mod ask;
pub mod bypass;
pub mod contained;
pub mod controllers;
pub mod denial;
pub mod enforcement;
pub mod exemptions;
pub mod grants;
pub mod kubelet;
pub mod ladder;
pub mod names;
pub mod node_port;
pub mod overlay;
pub mod psp;
pub mod quota;
pub mod reach;
pub mod service_path;
pub mod standard;
pub mod startup_window;
pub mod still_works;
pub mod survey;
pub mod webhook_call;
pub mod withheld;
