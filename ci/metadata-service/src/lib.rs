//! A stand-in for OCI's instance metadata service (IMDS), for a range that has no cloud around it.
//!
//! It answers as Oracle documents the service ("Getting Instance Metadata"): `/opc/v2` wants `Authorization: Bearer
//! Oracle` and takes no forwarded request, `/opc/v1` and `/openstack` want nothing and can be switched off. Where the
//! documentation is silent (the status of a rejection), [`endpoint`] says what was chosen. Everything it serves is made
//! up; the instance's identity is made anew at each start, and no authority signed it.
//!
//! Each connection and each request is one JSON line on stdout ([`access_log`]), so that a claim about what a pod
//! reached can be checked from the other side.
pub mod access_log;
pub mod documents;
pub mod endpoint;
pub mod identity;
pub mod link_local;
pub mod server;
