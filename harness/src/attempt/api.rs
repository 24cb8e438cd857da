//! What the API server is asked for: objects that it must not admit, rights that it must not grant, what it tells of the cluster.
pub mod access;
pub mod admission;
pub mod ask;
pub mod controllers;
pub mod exemptions;
pub mod plain;
pub mod psp;
pub mod quota;
pub mod standard;
pub mod survey;
