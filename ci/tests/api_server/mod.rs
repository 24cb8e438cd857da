//! As much of an API server as a connection needs, with TLS: it says who asks, serves a watch and an exec, and has one empty namespace.
#![allow(dead_code, reason = "each test program uses its part of it")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::SinkExt;
use http::header::{
    AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::CertifiedKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

/// The name that the API server is asked for by where no loopback address will do; nobody resolves it.
pub const NAME: &str = "api.prod.invalid";

/// An API server.
pub struct ApiServer {
    pub address: SocketAddr,
    /// What proves who it, and a proxy beside it, is.
    pub identity: Identity,
    met: Arc<AtomicUsize>,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity {
    pub acceptor: TlsAcceptor,
    /// In PEM.
    pub authority: String,
}

impl Identity {
    fn new() -> Self {
        let names = ["127.0.0.1", "localhost", NAME].map(str::to_owned);
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let tls = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        Self { acceptor: TlsAcceptor::from(Arc::new(tls)), authority: cert.pem() }
    }
}

impl ApiServer {
    pub fn start() -> Self {
        let (identity, met) = (Identity::new(), Arc::<AtomicUsize>::default());
        let (tls, counted, (told, heard)) = (identity.acceptor.clone(), met.clone(), mpsc::channel());
        thread::spawn(move || {
            Runtime::new().unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let tls = tls.clone();
                    tokio::spawn(async move {
                        let Ok(stream) = tls.accept(stream).await else { return };
                        let connection =
                            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
                        let _ = connection.with_upgrades().await;
                    });
                }
            });
        });
        Self { address: heard.recv().unwrap(), identity, met }
    }

    /// How many connections it has been asked for.
    pub fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }

    /// A kubeconfig whose context `prod` leads to `host`, with more lines of its cluster's entry.
    pub fn kubeconfig(&self, host: &str, more: &str) -> String {
        let (port, authority) = (self.address.port(), STANDARD.encode(&self.identity.authority));
        format!(
            "apiVersion: v1
kind: Config
clusters:
- name: prod
  cluster:
    server: https://{host}:{port}
    certificate-authority-data: {authority}
{more}
contexts:
- name: prod
  context: {{cluster: prod, user: operator}}
users:
- name: operator
  user: {{token: abc}}
"
        )
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.headers().contains_key(UPGRADE) {
        let key = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let stream = TokioIo::new(upgraded.await.unwrap());
            let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            for (channel, said) in [(1, "hello"), (3, r#"{"metadata":{},"status":"Success"}"#)] {
                let message = [&[channel], said.as_bytes()].concat();
                socket.send(Message::binary(message)).await.unwrap();
            }
            let _ = socket.close(None).await;
        });
        let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        let answer = answer.header(CONNECTION, "Upgrade").header(UPGRADE, "websocket");
        let answer = answer.header(SEC_WEBSOCKET_ACCEPT, key.unwrap_or_default());
        return Ok(answer.header(SEC_WEBSOCKET_PROTOCOL, "v5.channel.k8s.io").body(Full::default()).unwrap());
    }
    let who = if request.headers().contains_key(AUTHORIZATION) { "operator" } else { "nobody" };
    let watched = request.uri().query().is_some_and(|query| query.contains("watch="));
    let (code, body) = said(request.uri().path(), who, watched);
    let answer = Response::builder().status(code).header("Content-Type", "application/json");
    Ok(answer.body(Full::new(Bytes::from(body.to_string()))).unwrap())
}

fn said(path: &str, who: &str, watched: bool) -> (u16, Value) {
    let namespace = json!({ "metadata": { "name": "shop", "resourceVersion": "1" } });
    match path {
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
            (201, json!({ "metadata": {}, "status": { "userInfo": { "username": who } } }))
        }
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
            (201, json!({ "metadata": {}, "spec": {}, "status": { "allowed": true } }))
        }
        _ if watched => (200, json!({ "type": "ADDED", "object": namespace })),
        "/version" => (
            200,
            json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.4", "gitCommit": "", "gitTreeState": "",
                    "buildDate": "", "goVersion": "", "compiler": "", "platform": "" }),
        ),
        "/apis" => (200, json!({ "groups": [] })),
        "/api/v1/namespaces" => (200, json!({ "metadata": { "resourceVersion": "1" }, "items": [namespace] })),
        "/api/v1/nodes" | "/api/v1/pods" => (200, json!({ "metadata": { "resourceVersion": "1" }, "items": [] })),
        _ => (
            403,
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 403,
                    "reason": "Forbidden", "message": format!("{who} may not") }),
        ),
    }
}
