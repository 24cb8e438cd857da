//! The cluster: how it is reached, as whom, and what it is.
pub mod connect;
pub mod facts;
pub mod persona;
