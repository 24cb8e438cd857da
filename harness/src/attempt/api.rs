//! One request to the API server, and the three things that can come of it.
use std::time::{Duration, Instant};

use http::Request;
use kube::core::Status;
use kube::{Client, Error};

/// No answer within this time is a broken exchange, not a refusal.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// What the API server made of a request.
#[derive(Debug)]
pub enum Reply {
    /// 2xx, with the body.
    Accepted(String),
    /// A `Status` that says no.
    Refused(Box<Status>),
    /// No answer, or none that can be read.
    Broken(String),
}

/// Sends `request` once, without a retry (429 is an answer), and says how many milliseconds the answer took.
pub async fn send(client: &Client, request: Request<Vec<u8>>) -> (Reply, u64) {
    let start = Instant::now();
    let reply = match tokio::time::timeout(ANSWER_WITHIN, client.request_text(request)).await {
        Ok(Ok(body)) => Reply::Accepted(body),
        Ok(Err(Error::Api(status))) => Reply::Refused(status),
        Ok(Err(error)) => Reply::Broken(format!("the API server could not be asked: {}", chain(&error))),
        Err(_) => Reply::Broken(format!("the API server did not answer within {} s", ANSWER_WITHIN.as_secs())),
    };
    (reply, start.elapsed().as_millis() as u64)
}

/// An error with its causes on one line; kube's and hyper's own text leaves the cause out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
