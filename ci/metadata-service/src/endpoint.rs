//! Which request gets which answer.
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use crate::documents::Documents;

const CREDENTIAL: &str = "Bearer Oracle";
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-forwarded-host"];

/// The service's rules over its documents.
#[derive(Debug)]
pub struct Endpoint {
    /// What it serves.
    pub documents: Documents,
    /// Whether `/opc/v1` and `/openstack` are gone: `areLegacyImdsEndpointsDisabled`, which can be changed while the instance runs.
    pub legacy_endpoints_disabled: AtomicBool,
}

/// An answer, before it becomes HTTP.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// What `body` is.
    pub content_type: &'static str,
    /// The document, the value, or the reason of the rejection.
    pub body: String,
}

/// Whether the request carries the header that `/opc/v2` wants.
pub fn authorized(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|value| value == CREDENTIAL)
}

impl Endpoint {
    /// Judges one request.
    pub fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        if method != Method::GET && method != Method::HEAD {
            return rejection(StatusCode::METHOD_NOT_ALLOWED);
        }
        match self.find(path, headers) {
            Ok(part) => document(part),
            Err(status) => rejection(status),
        }
    }

    /// The part of the documents that the request may have, or the status of its rejection.
    ///
    /// The documentation names a status only for the legacy endpoints, 404. That v2 answers 401 without its header is
    /// what users of the service report; 403 for a forwarded request is our choice.
    fn find(&self, path: &str, headers: &HeaderMap) -> Result<&Value, StatusCode> {
        let found = if let Some(path) = below(path, "/opc/v2") {
            if !authorized(headers) {
                return Err(StatusCode::UNAUTHORIZED);
            }
            if FORWARDED.iter().any(|name| headers.contains_key(*name)) {
                return Err(StatusCode::FORBIDDEN);
            }
            self.documents.opc(path)
        } else if self.legacy_endpoints_disabled.load(Ordering::Relaxed) {
            None
        } else if let Some(path) = below(path, "/opc/v1") {
            self.documents.opc(path)
        } else {
            below(path, "/openstack").and_then(|path| self.documents.openstack(path))
        };
        found.ok_or(StatusCode::NOT_FOUND)
    }
}

/// What follows a prefix of whole path segments.
fn below<'path>(path: &'path str, prefix: &str) -> Option<&'path str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A directory is JSON; a value is itself.
fn document(part: &Value) -> Answer {
    let (content_type, body) = match part {
        Value::Object(_) | Value::Array(_) => ("application/json", format!("{part:#}")),
        Value::String(text) => ("text/plain", text.clone()),
        value => ("text/plain", value.to_string()),
    };
    Answer { status: StatusCode::OK, content_type, body }
}

fn rejection(status: StatusCode) -> Answer {
    Answer { status, content_type: "text/plain", body: format!("{status}\n") }
}
