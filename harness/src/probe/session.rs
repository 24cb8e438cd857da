//! An exec that lasts until it is dropped: one batch after the other. Whoever looks at the same paths until they are as they must be pays for
//! one process in the container, which costs a node far more than the packets that it sends.
//!
//! The agent waits for the next batch after the last answer, and that is what makes an answer complete: output that a process leaves behind
//! when it ends may be lost on its way through the runtime, the kubelet and the API server.
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachedProcess};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Instant, timeout};

use crate::pace::{Pace, Turn};
use crate::probe::batch::{self, Answer, Verb};
use crate::probe::pod::into_agent;
use crate::told::chain;

/// What an answer of an idle cluster may take beyond the attempts themselves: longer, and the exec is broken.
const SLACK: Duration = Duration::from_secs(10);
/// kube's pipes default to 1 KiB, a round trip each.
const PIPE: usize = 64 * 1024;

/// An exec that is kept, in one agent's pod.
pub struct Session {
    pod: String,
    pace: Pace,
    /// Until its first answer, with how long it took to start: its turn among all that start.
    starting: Option<(Turn, Duration)>,
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    stdout: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    /// Ends the exec when it goes, and knows how the exec ended by itself.
    process: AttachedProcess,
}

impl Session {
    /// Starts it.
    ///
    /// # Errors
    /// A sentence where the exec does not start.
    pub async fn open(pods: &Api<Pod>, pod: &str, pace: &Pace) -> Result<Self, String> {
        let mut session = Self::open_in(pace.execs().turn().await, pods, pod, pace).await?;
        // Whoever keeps several asks none of them anything before all are there.
        session.starting = None;
        Ok(session)
    }

    /// ... in a turn that has come already.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub(super) async fn open_in(turn: Turn, pods: &Api<Pod>, pod: &str, pace: &Pace) -> Result<Self, String> {
        let params = into_agent().stdin(true).stderr(false).max_stdin_buf_size(PIPE).max_stdout_buf_size(PIPE);
        let (start, slack) = (Instant::now(), pace.execs().patience(SLACK));
        let started = timeout(slack, pods.exec(pod, ["/agent/agent", "session"], &params)).await;
        let broke = |why: String| format!("the exec into {pod} broke: {why}");
        let mut process = match started {
            Ok(started) => started.map_err(|error| broke(chain(&error)))?,
            Err(_) => {
                turn.too_much();
                return Err(broke(format!("it did not start within {} s", slack.as_secs())));
            }
        };
        let (Some(stdin), Some(stdout)) = (process.stdin(), process.stdout()) else {
            return Err(broke("it came without its streams".into()));
        };
        let stdout: Box<dyn AsyncRead + Send + Unpin> = Box::new(stdout);
        let starting = Some((turn, start.elapsed()));
        let (stdin, stdout) = (Box::new(stdin), BufReader::new(stdout));
        Ok(Self { pod: pod.into(), pace: pace.clone(), starting, stdin, stdout, process })
    }

    /// Has the agent try `verbs`, all at once and each for `within`; answers come in their order.
    ///
    /// # Errors
    /// A sentence where the exec broke: nothing was proved then, and nothing more can be asked.
    pub async fn ask<'a>(
        &mut self,
        verbs: impl IntoIterator<Item = &'a Verb>,
        within: Duration,
    ) -> Result<Vec<Answer>, String> {
        let lines = verbs.into_iter().enumerate().map(|(id, verb)| verb.line_within(id, within) + "\n");
        let lines: Vec<String> = lines.collect();
        let (start, limit) = (Instant::now(), within + self.pace.execs().patience(SLACK));
        let answered = timeout(limit, self.exchange(&lines)).await;
        let took = start.elapsed();
        let answers = answered.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())));
        let answers = answers.map_err(|why| format!("the exec into {} broke: {why}", self.pod));
        match (&answers, self.starting.take()) {
            (Ok(answers), starting) => {
                self.pace.lives();
                // What the attempts themselves took says nothing about execs.
                let slowest = answers.iter().map(|answer| answer.ms).max().unwrap_or_default();
                if let Some((turn, started_after)) = starting {
                    turn.took(started_after + took.saturating_sub(Duration::from_millis(slowest)));
                }
            }
            (Err(_), Some((turn, _))) if took >= limit => turn.too_much(),
            (Err(_), _) => {}
        }
        answers
    }

    async fn exchange(&mut self, lines: &[String]) -> Result<Vec<Answer>, String> {
        let input = lines.concat() + "\n";
        let unwritten = |error: std::io::Error| format!("cannot write to the agent: {error}");
        self.stdin.write_all(input.as_bytes()).await.map_err(unwritten)?;
        self.stdin.flush().await.map_err(unwritten)?;
        let mut output = String::new();
        loop {
            let start = output.len();
            let read = self.stdout.read_line(&mut output).await;
            match read.map_err(|error| format!("cannot read from the agent: {error}"))? {
                0 => return Err(self.end().await),
                _ if output[start..].starts_with("{\"done\"") => return batch::answers(&output, lines.len()),
                _ => {}
            }
        }
    }

    /// How an exec ended that should not have.
    async fn end(&mut self) -> String {
        let status = self.process.take_status().map(|status| timeout(Duration::from_secs(1), status));
        let told = match status {
            Some(status) => status.await.ok().flatten().and_then(|status| status.message),
            None => None,
        };
        format!("the agent went away: {}", told.unwrap_or_else(|| "no reason given".into()))
    }
}
