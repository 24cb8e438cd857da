//! Clients whose requests wait for their turn and are answered in time or not at all: a server that falls silent half-way must not hold
//! the run for ever.
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::config::AuthInfo;
use kube::{Client, Config, Error};

use crate::cluster::traffic::Traffic;

/// Between two parts of an answer: longer than any watch or exec of a run is rightly silent.
const SILENCE: Duration = Duration::from_secs(70);

/// A client with the credential of `config`; waits for its credential plugin without yielding.
///
/// # Errors
/// What is wrong with the credential or the certificates.
pub(super) fn client(mut config: Config, traffic: &Traffic) -> Result<Client, Error> {
    // The limit is to run from a request on, not from when its connection last was of use.
    (config.read_timeout, config.reset_reader_on_write) = (Some(SILENCE), true);
    Ok(ClientBuilder::try_from(config)?.with_layer(traffic).build())
}

/// A client of the same API server without any credential: who asks by it is nobody, or whose token the request itself brings. One
/// for all identities, so that they share its connections.
///
/// # Errors
/// As [`client`].
pub(super) fn anonymous(mut config: Config, traffic: &Traffic) -> Result<Client, Error> {
    config.auth_info = AuthInfo::default();
    client(config, traffic)
}
