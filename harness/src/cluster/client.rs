//! Clients whose requests are answered in time or not at all: a server that falls silent half-way must not hold the run for ever.
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::{Client, Config, Error};
use tower::timeout::TimeoutLayer;

/// Until the head of an answer; a watch and an exec have theirs at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Between two parts of an answer: longer than any watch or exec of a run is rightly silent.
const SILENCE: Duration = Duration::from_secs(70);

/// A client with the credential of `config`; waits for its credential plugin without yielding.
///
/// # Errors
/// What is wrong with the credential or the certificates.
pub(super) fn client(mut config: Config) -> Result<Client, Error> {
    // The limit is to run from a request on, not from when its connection last was of use.
    (config.read_timeout, config.reset_reader_on_write) = (Some(SILENCE), true);
    Ok(ClientBuilder::try_from(config)?.with_layer(&TimeoutLayer::new(ANSWER_WITHIN)).build())
}
