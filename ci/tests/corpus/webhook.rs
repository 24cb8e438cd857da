//! A webhook that says what it is told to say, on the range's own network.
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::CertifiedKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::stage::LABEL;

/// Nobody listens there.
const DOWN: u16 = 1;

/// A webhook of one case.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Hook {
    /// Its name in its configuration.
    pub name: String,
    /// The `response` of its review; not an object for what is no review at all, nothing where the webhook is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// Whether it mutates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mutating: bool,
    /// `Fail` unless it is said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<String>,
}

/// The server of all of them, each at a path of its own.
pub struct Server {
    pub address: SocketAddr,
    certificate: String,
}

impl Server {
    /// Listens at an address of this machine that the API server can reach.
    pub async fn start(address: IpAddr, answers: HashMap<String, Value>) -> Self {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([address.to_string()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let tls = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        let (tls, answers) = (TlsAcceptor::from(Arc::new(tls)), Arc::new(answers));
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answers) = (tls.clone(), answers.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let service = service_fn(|request| review(request, &answers));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, certificate: STANDARD.encode(cert.pem()) }
    }

    /// What makes the API server ask the webhook of a case, and nothing but that case's pod.
    pub fn configuration(&self, case: &str, hook: &Hook) -> Value {
        let port = if hook.answer.is_some() { self.address.port() } else { DOWN };
        let kind = if hook.mutating { "MutatingWebhookConfiguration" } else { "ValidatingWebhookConfiguration" };
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": { "name": format!("corpus-{case}"), "labels": { LABEL: "stage" } },
            "webhooks": [{
                "name": hook.name,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 5,
                "failurePolicy": hook.failure_policy.as_deref().unwrap_or("Fail"),
                "clientConfig": {
                    "url": format!("https://{}/{case}", SocketAddr::new(self.address.ip(), port)),
                    "caBundle": self.certificate,
                },
                "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "corpus-webhooks" } },
                "objectSelector": { "matchLabels": { "corpus": case } },
            }],
        })
    }
}

async fn review(
    request: hyper::Request<Incoming>,
    answers: &HashMap<String, Value>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let case = request.uri().path().trim_start_matches('/').to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut answer = answers.get(&case).cloned().unwrap_or_default();
    let body = match answer.as_object_mut() {
        Some(response) => {
            response.entry("uid").or_insert_with(|| asked["request"]["uid"].clone());
            json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer })
        }
        None => answer,
    };
    let answer = hyper::Response::builder().header("Content-Type", "application/json");
    Ok(answer.body(Full::new(Bytes::from(body.to_string()))).unwrap())
}
