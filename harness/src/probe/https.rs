//! One HTTPS request from inside a probe, without a credential and without asking who answers: that somebody does is the question, and
//! nothing is sent that would have to be kept from anybody.
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use kube::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::probe::Probe;
use crate::probe::batch::{Answer, Touch};
use crate::probe::relay::{self, Relay, WITHIN_MS};

/// The most of an answer that is read, in bytes: its head and the first words of its body.
const MOST: u64 = 4096;

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// HTTP status.
    pub status: u16,
    /// The beginning of the body.
    pub body: String,
}

/// What came of a request: how connecting went, and what the server said where there was a connection.
pub type Asked = (Answer, Option<Result<Said, String>>);

/// Asks for `path`, once.
///
/// # Errors
/// A sentence where the exec broke: nothing was proved then.
pub async fn get(client: &Client, probe: &Probe, to: SocketAddr, path: &str) -> Result<Asked, String> {
    let (answer, relay) = relay::open(client, probe, to).await?;
    debug_assert_eq!(relay.is_some(), answer.touch() == Touch::Reached);
    let Some(relay) = relay else { return Ok((answer, None)) };
    let within = Duration::from_millis(WITHIN_MS.into());
    let said = timeout(within, talk(relay, to, path)).await;
    Ok((answer, Some(said.unwrap_or_else(|_| Err(format!("no answer within {WITHIN_MS} ms"))))))
}

async fn talk(mut relay: Relay, to: SocketAddr, path: &str) -> Result<Said, String> {
    let connector = TlsConnector::from(CONFIG.clone());
    let tls = connector.connect(ServerName::IpAddress(to.ip().into()), &mut *relay.stream).await;
    let mut tls = tls.map_err(|error| format!("no TLS: {error}"))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
    let broken = |error: std::io::Error| format!("the connection broke: {error}");
    tls.write_all(request.as_bytes()).await.map_err(broken)?;
    tls.flush().await.map_err(broken)?;
    let mut heard = Vec::new();
    // A peer that hangs up without a word of farewell has said what it had to say.
    let ended = tls.take(MOST).read_to_end(&mut heard).await;
    read(&String::from_utf8_lossy(&heard)).ok_or_else(|| match ended {
        Ok(_) => "what it said is not HTTP".to_owned(),
        Err(error) => broken(error),
    })
}

/// Status and body, chunked or not: only its first words are of interest, and those stand in its first chunk.
fn read(heard: &str) -> Option<Said> {
    let (head, body) = heard.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    let body = if chunked { body.split_once("\r\n").map_or("", |(_, rest)| rest) } else { body };
    Some(Said { status, body: body.to_owned() })
}

static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS asks for")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    Arc::new(config)
});

/// Whoever answers will do, if only he has the key to his own certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::refused("HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nUnauthorized", Some((401, "Unauthorized")))]
    #[case::in_chunks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Some((200, "hello\r\n0\r\n\r\n")))]
    #[case::cut_short("HTTP/1.1 200 OK\r\nContent-Le", None)]
    #[case::something_else("SSH-2.0-OpenSSH\r\n\r\n", None)]
    fn what_a_server_says(#[case] heard: &str, #[case] expected: Option<(u16, &str)>) {
        let expected = expected.map(|(status, body)| Said { status, body: body.into() });
        assert_eq!(read(heard), expected);
    }
}
