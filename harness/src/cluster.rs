//! The cluster: how it is reached, as whom, and what it is.
pub mod api;
mod client;
pub mod connect;
mod credential;
pub mod deployers;
pub mod discovery;
pub mod facts;
pub mod inventory;
mod kubeconfig;
pub mod named_ports;
pub mod nodes;
pub mod persona;
pub mod personas;
pub mod placement;
pub mod plugins;
mod proxy;
pub mod traffic;
pub mod whoami;
