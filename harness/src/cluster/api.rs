//! One request to the API server, and the three things that can come of it.
use std::time::Duration;

use http::header::{AUTHORIZATION, WARNING};
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::core::Status;
use serde_json::Value;
use tokio::time::timeout;

use crate::cluster::persona::Persona;
use crate::cluster::traffic::AnsweredAfter;
use crate::denial::{Warned, warned_by};
use crate::told::chain;
use crate::verdict::NoVerdict;

/// An answer of an idle cluster that has begun and does not end within this time is a broken exchange, not a refusal.
const BODY_WITHIN: Duration = Duration::from_secs(15);

/// What the API server made of a request.
#[derive(Debug)]
pub enum Reply {
    /// 2xx, with the body and what the API server warns of all the same.
    Accepted {
        /// The object, as JSON.
        body: String,
        /// The guards that only warn (Pod Security's `warn`, a policy's `Warn`).
        warnings: Vec<Warned>,
    },
    /// A `Status` that says no.
    Refused(Box<Status>),
    /// No answer, or none that can be read.
    Broken(String),
}

/// Sends `request` as `persona`, once, without a retry (429 is an answer), and says how many milliseconds the answer took.
pub async fn send(persona: &Persona, mut request: Request<Vec<u8>>) -> (Reply, u64) {
    if let Some(bearer) = &persona.bearer {
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
    }
    let turn = persona.traffic.pace().attempts().turn().await;
    match persona.client.send(request.map(Body::from)).await {
        Ok(answer) => {
            let after = answer.extensions().get().map_or(Duration::ZERO, |AnsweredAfter(after)| *after);
            turn.took(after);
            (read(answer, persona.traffic.pace().requests().patience(BODY_WITHIN)).await, after.as_millis() as u64)
        }
        Err(error) => (Reply::Broken(format!("the API server could not be asked: {}", chain(&error))), 0),
    }
}

/// A POST of `body`.
///
/// # Errors
/// Inconclusive where that is no request: a bug, reported rather than hidden.
pub(crate) fn post(path: &str, body: &Value) -> Result<Request<Vec<u8>>, NoVerdict> {
    Request::post(path)
        .header("Content-Type", "application/json")
        .body(body.to_string().into_bytes())
        .map_err(|error| NoVerdict::inconclusive(format!("cannot build the request: {error}")))
}

async fn read(answer: Response<Body>, within: Duration) -> Reply {
    let (head, body) = answer.into_parts();
    let body = match timeout(within, body.collect()).await {
        Ok(Ok(body)) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Ok(Err(error)) => return Reply::Broken(format!("the API server's answer broke off: {}", chain(&error))),
        Err(_) => {
            return Reply::Broken(format!("the API server's answer did not end within {} s", within.as_secs()));
        }
    };
    if head.status.is_success() {
        let warnings = head.headers.get_all(WARNING).iter().filter_map(|header| warned_by(header.to_str().ok()?));
        return Reply::Accepted { body, warnings: warnings.collect() };
    }
    // A proxy on the way answers with a page of its own: that is no word of the API server's.
    match serde_json::from_str::<Status>(&body) {
        Ok(status) if status.code == head.status.as_u16() => Reply::Refused(Box::new(status)),
        _ => Reply::Broken(format!("no answer of an API server's ({}): {:.200}", head.status, body.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn answer(code: u16, body: &str) -> Response<Body> {
        Response::builder().status(code).body(Body::from(body.as_bytes().to_vec())).unwrap()
    }

    #[rstest]
    #[case::forbidden(
        403,
        r#"{"kind":"Status","code":403,"message":"no","reason":"Forbidden","status":"Failure"}"#,
        "refused"
    )]
    #[case::another_code(403, r#"{"kind":"Status","code":200,"message":"no"}"#, "broken")]
    #[case::a_page(403, "<html>blocked</html>", "broken")]
    #[case::an_empty_one(403, "", "broken")]
    #[case::done(201, "{}", "accepted")]
    #[case::elsewhere(302, "", "broken")]
    #[tokio::test]
    async fn only_a_status_of_the_same_code_is_a_refusal(
        #[case] code: u16,
        #[case] body: &str,
        #[case] expected: &str,
    ) {
        let told = match read(answer(code, body), BODY_WITHIN).await {
            Reply::Accepted { .. } => "accepted",
            Reply::Refused(_) => "refused",
            Reply::Broken(_) => "broken",
        };
        assert_eq!(told, expected);
    }
}
