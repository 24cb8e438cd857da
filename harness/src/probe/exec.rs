//! Talking to a running agent. Whatever is asked of one agent within a few milliseconds travels in one batch, so that all its
//! denied targets share one time-out; and what several ask of it at that moment, as cells of a scenario do with their controls, is tried once.
//! An exec whose batch has been answered takes the next one: what starts a process in a container costs a node more than what is sent.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::Api;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::pace::Pace;
use crate::probe::batch::{Answer, TIMEOUT_MS, Verb};
use crate::probe::session::Session;

/// How long a first question waits for company.
const GATHER: Duration = Duration::from_millis(10);
/// Execs under way at once in one agent's pod: the runtime's own process is in the pod's memory limit until it has become the agent, and a
/// crowd of them is killed there. Whatever is asked meanwhile travels together in the next one.
const AT_ONCE: usize = 2;
/// How long an exec is kept that nobody asks anything: what lies between may take an idle connection down without a word.
const KEPT: Duration = Duration::from_secs(10);
/// Lines of one batch: the agent's own limit is 1024.
const LINES: usize = 512;

/// What is asked of an agent, and where its answers go.
pub(super) struct Question {
    pub(super) verbs: Vec<Verb>,
    pub(super) reply: Reply,
}

type Reply = oneshot::Sender<Result<Vec<Answer>, String>>;

/// A line to one agent.
#[derive(Clone, Debug)]
pub struct Line {
    questions: mpsc::UnboundedSender<Question>,
}

impl Line {
    /// Opens a line to the agent in `pod`; it closes with its last clone. Its execs keep to `pace`.
    pub fn open(client: Client, namespace: &str, pod: &str, pace: Pace) -> Self {
        let (questions, mut asked) = mpsc::unbounded_channel::<Question>();
        let pods: Api<Pod> = Api::namespaced(client, namespace);
        let pod = pod.to_owned();
        let execs = Arc::new(Semaphore::new(AT_ONCE));
        let idle = Arc::<Idle>::default();
        tokio::spawn(async move {
            while let Some(first) = asked.recv().await {
                sleep(GATHER).await;
                let Ok(own) = execs.clone().acquire_owned().await else { break };
                let kept = match idle.take() {
                    Some(session) => Ok(session),
                    None => Err(pace.execs().turn().await),
                };
                let mut together = Together::default();
                together.add(first);
                while together.verbs.len() < LINES {
                    let Ok(next) = asked.try_recv() else { break };
                    together.add(next);
                }
                let (pods, pod, pace, idle) = (pods.clone(), pod.clone(), pace.clone(), idle.clone());
                tokio::spawn(async move {
                    let session = match kept {
                        Ok(session) => Ok(session),
                        Err(turn) => Session::open_in(turn, &pods, &pod, &pace).await,
                    };
                    idle.keep(answer(session, together).await);
                    drop(own);
                });
            }
        });
        Self { questions }
    }

    /// A line whose questions somebody else answers.
    pub(super) fn of(questions: mpsc::UnboundedSender<Question>) -> Self {
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

/// Execs that have answered everything so far, and since when they do nothing.
#[derive(Default)]
struct Idle(Mutex<Vec<(Session, Instant)>>);

impl Idle {
    fn take(&self) -> Option<Session> {
        let mut idle = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        idle.retain(|(_, since)| since.elapsed() < KEPT);
        Some(idle.pop()?.0)
    }

    fn keep(&self, session: Option<Session>) {
        let mut idle = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        idle.extend(session.map(|session| (session, Instant::now())));
    }
}

/// Questions that travel together.
#[derive(Default)]
struct Together {
    /// What is tried, each once.
    verbs: Vec<Verb>,
    places: HashMap<Verb, usize>,
    /// Who asked, and where in the list is what.
    questions: Vec<(Vec<usize>, Reply)>,
}

impl Together {
    fn add(&mut self, Question { verbs, reply }: Question) {
        let places = verbs.into_iter().map(|verb| self.place(verb)).collect();
        self.questions.push((places, reply));
    }

    fn place(&mut self, verb: Verb) -> usize {
        if let Some(place) = self.places.get(&verb) {
            return *place;
        }
        let place = self.verbs.len();
        self.verbs.push(verb.clone());
        if verb.can_be_shared() {
            self.places.insert(verb, place);
        }
        place
    }
}

/// Returned is the exec, where it did not break.
async fn answer(mut session: Result<Session, String>, together: Together) -> Option<Session> {
    let answers = match &mut session {
        Ok(session) => session.ask(&together.verbs, Duration::from_millis(TIMEOUT_MS.into())).await,
        Err(why) => Err(why.clone()),
    };
    let unbroken = answers.is_ok();
    for (places, reply) in together.questions {
        let share = answers.as_ref().map_err(Clone::clone).and_then(|all| {
            let share: Option<Vec<Answer>> = places.iter().map(|place| all.get(*place).cloned()).collect();
            share.ok_or_else(|| "the agent did not answer everything".to_owned())
        });
        // A scenario that has gone away since does not wait for its answer.
        let _ = reply.send(share);
    }
    session.ok().filter(|_| unbroken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_ask_is_tried_once_and_what_leaves_something_behind_as_often_as_asked() {
        let tcp = |port| Verb::Tcp { to: [10, 0, 0, 1].into(), port };
        let datagram = || Verb::Datagram { to: [10, 0, 0, 1].into(), port: 1, content: Vec::new() };
        let mut together = Together::default();
        for verbs in [vec![tcp(1), datagram()], vec![tcp(2), tcp(1), datagram()]] {
            together.add(Question { verbs, reply: oneshot::channel().0 });
        }
        assert_eq!(together.verbs, [tcp(1), datagram(), tcp(2), datagram()]);
        let places: Vec<_> = together.questions.iter().map(|(places, _)| places.clone()).collect();
        assert_eq!(places, [vec![0, 1], vec![2, 0, 3]]);
    }
}
