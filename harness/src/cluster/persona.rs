//! Somebody who asks the API server for things.
use std::fmt;

use http::HeaderValue;
use kube::Client;

use crate::cluster::traffic::Traffic;

/// Somebody who asks the API server for things.
#[derive(Clone)]
pub struct Persona {
    /// For the reader: `the operator`, `system:serviceaccount:tenant-a:default`.
    pub name: String,
    /// The way to the API server.
    pub client: Client,
    /// The credential that each request brings, where `client` has none of its own.
    pub(crate) bearer: Option<HeaderValue>,
    /// What it sends waits its turn here.
    pub(crate) traffic: Traffic,
}

impl fmt::Debug for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
