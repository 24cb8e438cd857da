//! The cluster: how it is reached, as whom, and what it is.
mod client;
pub mod connect;
mod credential;
pub mod facts;
mod kubeconfig;
pub mod persona;
