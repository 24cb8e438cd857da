//! Answers as they arrive, and as a fault has them arrive.

use std::time::Duration;

use anyhow::Error;
use futures::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;

pub(super) type Body = UnsyncBoxBody<Bytes, Error>;

/// Long enough for what came before it to have left.
const BEFORE_IT_BREAKS: Duration = Duration::from_millis(20);

pub(super) fn whole(answer: Response<Incoming>) -> Response<Body> {
    answer.map(|body| body.map_err(Error::from).boxed_unsync())
}

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The refusal as the API server itself words it.
pub(super) fn refused(code: StatusCode) -> Response<Body> {
    let (reason, message) = match code.as_u16() {
        429 => ("TooManyRequests", "too many requests, please try again later"),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        _ => ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "details": { "retryAfterSeconds": 1 }, "code": code.as_u16(),
    });
    let mut answer = Response::new(full(status.to_string()));
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if code == StatusCode::TOO_MANY_REQUESTS {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// A refusal by somebody on the way who knows no Kubernetes.
pub(super) fn page(code: StatusCode) -> Response<Body> {
    let reason = code.canonical_reason().unwrap_or_default();
    let mut answer = Response::new(full(format!("<html><body><h1>{} {reason}</h1></body></html>\n", code.as_u16())));
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    answer
}

/// The answer up to the middle of its first part; then the connection is gone.
pub(super) fn broken_off(answer: Response<Incoming>) -> Response<Body> {
    answer.map(|mut body| {
        let half = async move {
            let part = body.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
            let part = part.unwrap_or_default();
            Ok(Frame::data(part.slice(..part.len() / 2)))
        };
        let gone = async {
            tokio::time::sleep(BEFORE_IT_BREAKS).await;
            Err(Error::msg("broken off, as the fault has it"))
        };
        StreamBody::new(stream::once(half).chain(stream::once(gone))).boxed_unsync()
    })
}

/// Half of the answer, said to be all of it.
pub(super) async fn halved(answer: Response<Incoming>) -> Result<Response<Body>, Error> {
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    head.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(head, full(body.slice(..body.len() / 2))))
}
