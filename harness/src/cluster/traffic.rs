//! Every request of a run, over all its identities: how many are under way at once, how long each is waited for, how many there were.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use tokio::sync::{Semaphore, SemaphorePermit};
use tower::{BoxError, Layer, Service};

/// Requests under way at once, over all scenarios and identities: a twentieth of what an API server takes by default
/// (`--max-requests-inflight` 400, `--max-mutating-requests-inflight` 200), so that nobody else waits for us.
pub const IN_FLIGHT: usize = 32;
/// Attempts among them: a chapter of a thousand dry runs leaves room for the probes that others wait for.
const ATTEMPTS: usize = 24;
/// Until the head of an answer, counted from when the request is sent; a watch and an exec have theirs at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// ... of a server that has left so many requests in a row unanswered: a thousand more would wait for hours.
const IMPATIENT: Duration = Duration::from_secs(1);
const SILENT_AFTER: usize = 8;

/// The requests of a run.
#[derive(Clone, Debug)]
pub struct Traffic {
    permits: Arc<Semaphore>,
    attempts: Arc<Semaphore>,
    sent: Arc<AtomicU64>,
    /// Requests in a row that were not answered.
    unanswered: Arc<AtomicUsize>,
}

impl Default for Traffic {
    fn default() -> Self {
        let of = |permits| Arc::new(Semaphore::new(permits));
        Self { permits: of(IN_FLIGHT), attempts: of(ATTEMPTS), sent: Arc::default(), unanswered: Arc::default() }
    }
}

impl Traffic {
    /// Waits for an attempt's turn; it ends with what is returned.
    pub(crate) async fn attempt(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.attempts.acquire().await.ok()
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
        let Traffic { permits, sent, unanswered, .. } = self.traffic.clone();
        // Not sent yet: nothing is before the future is polled, and that is where its turn is waited for. A caller that gives up
        // takes its place in the queue along.
        let answer = self.inner.call(request);
        Box::pin(async move {
            let _turn = permits.acquire().await?;
            sent.fetch_add(1, Ordering::Relaxed);
            let start = Instant::now();
            let silent = unanswered.load(Ordering::Relaxed) >= SILENT_AFTER;
            let within = if silent { IMPATIENT } else { ANSWER_WITHIN };
            let answer = tokio::time::timeout(within, answer).await;
            match &answer {
                Ok(Ok(_)) => unanswered.store(0, Ordering::Relaxed),
                // A connection that is not made is no answer either.
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
        let start = tokio::time::Instant::now();
        let asked = (0..IN_FLIGHT * 2 + 1).map(|_| traffic.layer(slow()).oneshot(Request::new(())));
        let answers = futures::future::join_all(asked).await;
        assert_eq!(start.elapsed().as_secs(), 3);
        assert_eq!(traffic.sent(), IN_FLIGHT as u64 * 2 + 1);
        assert!(answers.iter().all(|answer| answer.is_ok()));
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
        assert_eq!(start.elapsed().as_secs(), 15 + 3);
        let quick = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(())) });
        assert!(traffic.layer(quick).oneshot(Request::new(())).await.is_ok());
        assert!(traffic.layer(slow()).oneshot(Request::new(())).await.is_ok());
    }
}
