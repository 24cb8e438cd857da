//! Every request of a run, over all its identities: each waits for its turn and is waited for as long as the cluster has shown that it
//! takes; how many there were.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::UPGRADE;
use http::{Method, Request, Response, StatusCode};
use tower::{BoxError, Layer, Service};

use crate::pace::Pace;

/// Until the head of an answer of an idle cluster, counted from when the request is sent; a watch and an exec have theirs at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// ... of a server that has left so many requests in a row unanswered: a thousand more would wait for hours.
const IMPATIENT: Duration = Duration::from_secs(1);
const SILENT_AFTER: usize = 8;

/// The requests of a run.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    pace: Pace,
    sent: Arc<AtomicU64>,
    execs: Arc<AtomicU64>,
    /// Requests in a row that were not answered.
    unanswered: Arc<AtomicUsize>,
    /// Attempts in a row that were turned away, however often they were made.
    turned_away: Arc<AtomicUsize>,
}

impl Traffic {
    /// The pace of the run.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// An attempt was turned away for good.
    pub(crate) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// One was not.
    pub(crate) fn taken(&self) {
        self.turned_away.store(0, Ordering::Relaxed);
    }

    /// Whether the server turns away whatever is attempted: a thousand more would each be asked in vain again and again.
    pub(crate) fn is_turned_away(&self) -> bool {
        self.turned_away.load(Ordering::Relaxed) >= SILENT_AFTER
    }

    /// Execs asked for so far; they are requests, too.
    pub fn execs(&self) -> u64 {
        self.execs.load(Ordering::Relaxed)
    }

    /// Requests sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// How long the answer took from when its request was sent: waiting for our own turn is no part of it. Among the answer's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnsweredAfter(pub(crate) Duration);

impl<S> Layer<S> for Traffic {
    type Service = Regulated<S>;

    fn layer(&self, inner: S) -> Regulated<S> {
        Regulated { inner, traffic: self.clone() }
    }
}

/// A service whose requests wait for their turn.
#[derive(Debug)]
pub struct Regulated<S> {
    inner: S,
    traffic: Traffic,
}

impl<S, Asked, Answer> Service<Request<Asked>> for Regulated<S>
where
    S: Service<Request<Asked>, Response = Response<Answer>, Error = BoxError>,
    S::Future: Send + 'static,
    Answer: 'static,
{
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Asked>) -> Self::Future {
        let Traffic { pace, sent, execs, unanswered, .. } = self.traffic.clone();
        // A connection that is kept says nothing about how fast requests are answered, nor does a write that somebody's webhook is asked about.
        let exec = request.headers().contains_key(UPGRADE);
        let kept = exec
            || request.method() != Method::GET
            || request.uri().query().is_some_and(|query| query.contains("watch="));
        // Not sent yet: nothing is before the future is polled, and that is where its turn is waited for. A caller that gives up
        // takes its place in the queue along.
        let answer = self.inner.call(request);
        Box::pin(async move {
            let turn = pace.requests().turn().await;
            sent.fetch_add(1, Ordering::Relaxed);
            execs.fetch_add(u64::from(exec), Ordering::Relaxed);
            let start = Instant::now();
            let silent = unanswered.load(Ordering::Relaxed) >= SILENT_AFTER;
            let within = if silent { IMPATIENT } else { pace.requests().patience(ANSWER_WITHIN) };
            let answer = tokio::time::timeout(within, answer).await;
            match &answer {
                Ok(Ok(answer)) => {
                    unanswered.store(0, Ordering::Relaxed);
                    pace.lives();
                    match answer.status() {
                        StatusCode::TOO_MANY_REQUESTS => turn.too_much(),
                        _ if kept => drop(turn),
                        _ => turn.took(start.elapsed()),
                    }
                }
                // A connection that is not made is no answer either. To ask a silent server for less at a time would only take longer to find
                // it silent.
                Ok(Err(_)) | Err(_) => drop(unanswered.fetch_add(1, Ordering::Relaxed)),
            }
            let mut answer =
                answer.map_err(|_| format!("the API server did not answer within {} s", within.as_secs()))??;
            answer.extensions_mut().insert(AnsweredAfter(start.elapsed()));
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::IN_FLIGHT;
    use tower::{ServiceExt, service_fn};

    fn slow() -> impl Service<Request<()>, Response = Response<()>, Error = BoxError, Future: Send + 'static> + Clone {
        service_fn(|_| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, BoxError>(Response::new(()))
        })
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_limit_are_under_way_and_waiting_is_no_part_of_the_answer() {
        let traffic = Traffic::default();
        let at_once = traffic.pace().requests().limit();
        let start = tokio::time::Instant::now();
        // So slow that there will not be more at once.
        let asked = (0..at_once * 2).map(|_| traffic.layer(slow()).oneshot(Request::new(())));
        let answers = futures::future::join_all(asked).await;
        assert!((2..=3).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        assert_eq!(traffic.sent(), at_once as u64 * 2);
        let after =
            |answer: Result<Response<()>, BoxError>| answer.unwrap().extensions().get::<AnsweredAfter>().unwrap().0;
        assert!(answers.into_iter().all(|answer| after(answer) < Duration::from_secs(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_no_gap() {
        let traffic = Traffic::default();
        for _ in 0..IN_FLIGHT * 2 {
            let asked = traffic.layer(slow()).oneshot(Request::new(()));
            assert!(tokio::time::timeout(Duration::from_millis(10), asked).await.is_err());
        }
        assert!(traffic.layer(slow()).oneshot(Request::new(())).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_it_is_too_much_is_asked_for_less() {
        let traffic = Traffic::default();
        let before = traffic.pace().requests().limit();
        let busy = service_fn(|_: Request<()>| async {
            Ok::<_, BoxError>(Response::builder().status(StatusCode::TOO_MANY_REQUESTS).body(())?)
        });
        assert_eq!(traffic.layer(busy).oneshot(Request::new(())).await.unwrap().status(), 429);
        assert_eq!(traffic.pace().requests().limit(), before / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_not_waited_for() {
        let silent = service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, BoxError>>());
        let told = Traffic::default().layer(silent).oneshot(Request::new(())).await.unwrap_err().to_string();
        assert_eq!(told, "the API server did not answer within 15 s");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stays_silent_is_asked_with_less_patience_until_it_answers() {
        let traffic = Traffic::default();
        let silent = service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, BoxError>>());
        let start = tokio::time::Instant::now();
        let asked = (0..IN_FLIGHT * 4).map(|_| traffic.layer(silent).oneshot(Request::new(())));
        futures::future::join_all(asked).await;
        assert!(start.elapsed().as_secs() < 15 * 6, "{:?}", start.elapsed());
        let quick = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(())) });
        assert!(traffic.layer(quick).oneshot(Request::new(())).await.is_ok());
        assert!(traffic.layer(slow()).oneshot(Request::new(())).await.is_ok());
    }
}
