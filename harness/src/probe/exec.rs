//! Talking to a running agent. Whatever is asked of one agent within a few milliseconds travels in one exec, so that all its
//! denied targets share one time-out.
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::Api;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::sleep;

use crate::probe::batch::{Answer, TIMEOUT_MS, Verb};
use crate::probe::here;
use crate::probe::session::Session;

/// How long a first question waits for company.
const GATHER: Duration = Duration::from_millis(10);
/// Execs under way at once in one agent's pod: the runtime's own process is in the pod's memory limit until it has become the agent, and a
/// crowd of them is killed there. Whatever is asked meanwhile travels together in the next one.
const AT_ONCE: usize = 2;
/// Lines of one batch: the agent's own limit is 1024.
const LINES: usize = 512;

struct Question {
    verbs: Vec<Verb>,
    reply: oneshot::Sender<Result<Vec<Answer>, String>>,
}

/// A line to one agent.
#[derive(Clone, Debug)]
pub struct Line {
    questions: mpsc::UnboundedSender<Question>,
}

impl Line {
    /// Opens a line to the agent in `pod`; it closes with its last clone.
    pub fn open(client: Client, namespace: &str, pod: &str) -> Self {
        let (questions, mut asked) = mpsc::unbounded_channel::<Question>();
        let pods: Api<Pod> = Api::namespaced(client, namespace);
        let pod = pod.to_owned();
        let execs = Arc::new(Semaphore::new(AT_ONCE));
        tokio::spawn(async move {
            while let Some(first) = asked.recv().await {
                sleep(GATHER).await;
                let Ok(permit) = execs.clone().acquire_owned().await else { break };
                let mut lines = first.verbs.len();
                let mut together = vec![first];
                while lines < LINES {
                    let Ok(next) = asked.try_recv() else { break };
                    lines += next.verbs.len();
                    together.push(next);
                }
                let (pods, pod) = (pods.clone(), pod.clone());
                tokio::spawn(async move {
                    answer(&pods, &pod, together).await;
                    drop(permit);
                });
            }
        });
        Self { questions }
    }

    /// A line to no agent: what this machine itself can try, it tries.
    pub(super) fn here() -> Self {
        let (questions, mut asked) = mpsc::unbounded_channel::<Question>();
        tokio::spawn(async move {
            while let Some(Question { verbs, reply }) = asked.recv().await {
                tokio::spawn(async move { reply.send(Ok(join_all(verbs.into_iter().map(here::attempt)).await)) });
            }
        });
        Self { questions }
    }

    /// A line to nobody: each verb is answered by `answer`.
    #[cfg(test)]
    pub(crate) fn answered_by(answer: impl Fn(&Verb) -> Answer + Send + 'static) -> Self {
        let (questions, mut asked) = mpsc::unbounded_channel::<Question>();
        tokio::spawn(async move {
            while let Some(Question { verbs, reply }) = asked.recv().await {
                let _ = reply.send(Ok(verbs.iter().map(&answer).collect()));
            }
        });
        Self { questions }
    }

    /// Has the agent try `verbs`, all at once; answers come in their order.
    ///
    /// # Errors
    /// A sentence where the exec broke: nothing was proved then.
    pub async fn ask(&self, verbs: Vec<Verb>) -> Result<Vec<Answer>, String> {
        let (reply, answered) = oneshot::channel();
        let gone = || "the line to the agent is gone".to_owned();
        self.questions.send(Question { verbs, reply }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn answer(pods: &Api<Pod>, pod: &str, questions: Vec<Question>) {
    let verbs = questions.iter().flat_map(|question| &question.verbs);
    let answers = match Session::open(pods, pod).await {
        Ok(mut session) => session.ask(verbs, Duration::from_millis(TIMEOUT_MS.into())).await,
        Err(why) => Err(why),
    };
    let mut answers = answers.map(Vec::into_iter);
    for Question { verbs, reply } in questions {
        let share = answers.as_mut().map(|all| all.by_ref().take(verbs.len()).collect()).map_err(|why| why.clone());
        // A scenario that has gone away since does not wait for its answer.
        let _ = reply.send(share);
    }
}
