//! The proxy's own certificate authority: made at its start, known only to the kubeconfig that names the proxy.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::certificate::Certificate;

/// What a server on 127.0.0.1 proves itself by.
pub(super) struct Identity {
    /// The authority's certificate, PEM.
    pub(super) authority: String,
    pub(super) config: Arc<ServerConfig>,
}

impl Identity {
    /// A fresh one.
    pub(super) fn make() -> Result<Self> {
        Self::try_make().context("the proxy has no certificate")
    }

    fn try_make() -> Result<Self> {
        let certificate = Certificate::of_loopback()?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certificate.key().serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.own().der().clone()], key)?;
        Ok(Self { authority: certificate.authority(), config: Arc::new(config) })
    }
}
