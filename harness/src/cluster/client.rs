//! Clients whose requests wait for their turn and are answered in time or not at all: a server that falls silent half-way must not hold
//! the run for ever.
use std::time::Duration;

use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::AuthInfo;
use kube::{Client, Config, Error};
use tower::{BoxError, ServiceBuilder};

use crate::cluster::proxy::{Proxy, Tunnel};
use crate::cluster::traffic::Traffic;

/// Between two parts of an answer: longer than any watch or exec of a run is rightly silent.
const SILENCE: Duration = Duration::from_secs(70);

/// A client with the credential of `config`, by way of `proxy` where there is one; waits for its credential plugin without yielding.
///
/// # Errors
/// What is wrong with the credential or the certificates.
pub(super) fn client(mut config: Config, proxy: Option<&Proxy>, traffic: &Traffic) -> Result<Client, Error> {
    // The limit is to run from a request on, not from when its connection last was of use.
    (config.read_timeout, config.reset_reader_on_write) = (Some(SILENCE), true);
    match proxy {
        None => Ok(ClientBuilder::try_from(config)?.with_layer(traffic).build()),
        Some(proxy) => by_way_of(proxy, config, traffic),
    }
}

/// A client of the same API server without any credential: who asks by it is nobody, or whose token the request itself brings. One
/// for all identities, so that they share its connections.
///
/// # Errors
/// As [`client`].
pub(super) fn anonymous(mut config: Config, proxy: Option<&Proxy>, traffic: &Traffic) -> Result<Client, Error> {
    config.auth_info = AuthInfo::default();
    client(config, proxy, traffic)
}

/// As kube builds a client, with our own way to the server.
fn by_way_of(proxy: &Proxy, config: Config, traffic: &Traffic) -> Result<Client, Error> {
    // A proxy with TLS is trusted as the API server is: so it is with kubectl.
    let tunnel = Tunnel::new(proxy.clone(), config.rustls_https_connector()?);
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tunnel)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let client = legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    Ok(ClientBuilder::new(service, config.default_namespace).with_layer(traffic).build())
}
