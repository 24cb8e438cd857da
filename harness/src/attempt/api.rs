//! What the API server is asked for: objects that it must not admit, rights that it must not grant, what it tells of the cluster.
pub mod access;
pub mod admission;
pub mod ask;
mod author;
mod contradicted;
pub mod controllers;
mod exempting;
pub mod exemptions;
pub mod images;
pub mod plain;
mod policies;
pub mod psp;
pub mod quota;
mod rules;
pub mod services;
pub mod standard;
mod stored;
pub mod survey;
