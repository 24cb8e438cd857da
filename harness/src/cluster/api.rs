//! One request to the API server, and the three things that can come of it.
use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER, WARNING};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::core::Status;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

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

/// A request that an overloaded server turns away is asked again so often, ...
const ASKED: usize = 4;
/// ... each time after what the server says, or this, but no later than that.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_WITHIN: Duration = Duration::from_secs(5);

/// Sends `request` as `persona`, and says how many milliseconds the answer took. What the server turns away for the moment (429) is asked again,
/// some times and not for ever: how often, the answer then tells. Whatever else it says is an answer.
pub async fn send(persona: &Persona, mut request: Request<Vec<u8>>) -> (Reply, u64) {
    if let Some(bearer) = &persona.bearer {
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
    }
    let (start, mut asked) = (Instant::now(), 0);
    loop {
        asked += 1;
        let (reply, after_ms, wait) = ask(persona, request.clone()).await;
        let Some(wait) = wait else {
            persona.traffic.taken();
            return (reply, after_ms);
        };
        if asked >= ASKED || persona.traffic.is_turned_away() {
            persona.traffic.turned_away();
            return (told(reply, asked, start.elapsed()), after_ms);
        }
        sleep(wait).await;
    }
}

/// How often it was asked.
fn told(reply: Reply, asked: usize, within: Duration) -> Reply {
    match reply {
        Reply::Refused(mut status) if asked > 1 => {
            status.message += &format!(" (asked {asked} times within {} s)", within.as_secs());
            Reply::Refused(status)
        }
        reply => reply,
    }
}

/// Once; and where the server turns it away for the moment, how long that is.
async fn ask(persona: &Persona, request: Request<Vec<u8>>) -> (Reply, u64, Option<Duration>) {
    let turn = persona.traffic.pace().attempts().turn().await;
    match persona.client.send(request.map(Body::from)).await {
        Ok(answer) => {
            let after = answer.extensions().get().map_or(Duration::ZERO, |AnsweredAfter(after)| *after);
            turn.took(after);
            let wait = again_after(&answer);
            let reply = read(answer, persona.traffic.pace().requests().patience(BODY_WITHIN)).await;
            (reply, after.as_millis() as u64, wait)
        }
        Err(error) => (Reply::Broken(format!("the API server could not be asked: {}", chain(&error))), 0, None),
    }
}

/// When to ask again whoever turns away what he has no room for (RFC 6585, section 4).
fn again_after<Answer>(answer: &Response<Answer>) -> Option<Duration> {
    let said = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let wait = said.map_or(AGAIN_AFTER, Duration::from_secs).min(AGAIN_WITHIN);
    (answer.status() == StatusCode::TOO_MANY_REQUESTS).then_some(wait)
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
    use crate::cluster::traffic::Traffic;
    use kube::Client;
    use rstest::rstest;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tower::{BoxError, service_fn};

    fn answer(code: u16, body: &str) -> Response<Body> {
        Response::builder().status(code).body(Body::from(body.as_bytes().to_vec())).unwrap()
    }

    #[rstest]
    #[case::busy(429, None, Some(1))]
    #[case::busy_for_so_long(429, Some("3"), Some(3))]
    #[case::busy_for_very_long(429, Some("600"), Some(5))]
    #[case::busy_until_a_date(429, Some("Fri, 27 Nov 2026 08:00:00 GMT"), Some(1))]
    #[case::forbidden(403, Some("3"), None)]
    #[case::down(503, Some("3"), None)]
    fn whoever_is_busy_is_asked_again(#[case] code: u16, #[case] says: Option<&str>, #[case] expected: Option<u64>) {
        let mut answer = answer(code, "");
        if let Some(says) = says {
            answer.headers_mut().insert(RETRY_AFTER, says.parse().unwrap());
        }
        assert_eq!(again_after(&answer), expected.map(Duration::from_secs));
    }

    /// An identity before a server that answers with these codes, and the last one for good; how often it was asked.
    fn asking(codes: &'static [u16]) -> (Persona, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let server = service_fn(move |_: Request<Body>| {
            let code = codes[count.fetch_add(1, Ordering::SeqCst).min(codes.len() - 1)];
            let body = serde_json::json!({ "kind": "Status", "code": code, "message": "m", "status": "Failure" });
            std::future::ready(Ok::<_, BoxError>(answer(code, &body.to_string())))
        });
        let client = Client::new(server, "default");
        (Persona { name: "p".into(), client, bearer: None, traffic: Traffic::default() }, asked)
    }

    #[rstest]
    #[case::at_once(&[403], 403, 1)]
    #[case::busy_for_a_moment(&[429, 429, 403], 403, 3)]
    #[case::busy_for_good(&[429], 429, 4)]
    #[tokio::test(start_paused = true)]
    async fn what_is_turned_away_is_asked_again(
        #[case] codes: &'static [u16],
        #[case] expected: u16,
        #[case] times: usize,
    ) {
        let (persona, asked) = asking(codes);
        let (reply, _) = send(&persona, Request::get("/x").body(Vec::new()).unwrap()).await;
        let Reply::Refused(status) = reply else { panic!("{reply:?}") };
        assert_eq!((status.code, asked.load(Ordering::SeqCst)), (expected, times));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_turns_everything_away_is_not_asked_again_and_again() {
        let (persona, asked) = asking(&[429]);
        let ask = || send(&persona, Request::get("/x").body(Vec::new()).unwrap());
        for _ in 0..8 {
            ask().await;
        }
        let before = asked.load(Ordering::SeqCst);
        for _ in 0..100 {
            ask().await;
        }
        assert_eq!(asked.load(Ordering::SeqCst) - before, 100);
    }

    #[test]
    fn how_often_it_was_asked_is_told() {
        let refused = || Reply::Refused(Box::new(Status::failure("too many requests", "TooManyRequests")));
        let message = |asked| match told(refused(), asked, Duration::from_secs(4)) {
            Reply::Refused(status) => status.message,
            other => panic!("{other:?}"),
        };
        assert_eq!(message(1), "too many requests");
        assert_eq!(message(4), "too many requests (asked 4 times within 4 s)");
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
