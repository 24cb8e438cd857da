//! The API server as the proxy reaches it.

use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Its address, and what it must prove itself by.
#[derive(Clone)]
pub(super) struct Upstream {
    address: String,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl Upstream {
    /// The API server of a range's kubeconfig.
    ///
    /// # Errors
    /// When the text is no such file.
    pub(super) fn of(kubeconfig: &str) -> Result<Self> {
        let field = |key: &str| {
            let line = kubeconfig.lines().find_map(|line| line.trim().strip_prefix(key));
            line.map(str::trim).with_context(|| format!("the range's kubeconfig has no {key}"))
        };
        let address = field("server: https://")?.to_owned();
        let authority = STANDARD.decode(field("certificate-authority-data:")?).context("the authority is no base64")?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&authority) {
            roots.add(certificate.context("the authority is no PEM")?)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).to_owned();
        let name = ServerName::try_from(host).context("the API server's address is no name")?;
        Ok(Self { address, name, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// A connection of its own.
    ///
    /// # Errors
    /// When nobody answers there.
    pub(super) async fn open(&self) -> Result<SendRequest<Incoming>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(self.name.clone(), stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }
}
