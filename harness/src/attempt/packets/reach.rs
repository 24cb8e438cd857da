//! Packets: sending them where they must not arrive.
//!
//! A closed path proves nothing by itself: a dead listener, a broken overlay or a typo close it as well. So each attempt names
//! the paths that must be open at the same moment.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use crate::cluster::named_ports::{NamedPorts, Port};
use crate::cx::Cx;
use crate::pace::Pace;
use crate::probe::Probe;
use crate::probe::batch::{Answer, Touch, Verb};
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// How soon a path that was open is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// One path: from a probe to an address.
#[derive(Clone, Debug)]
pub struct Path {
    /// Who tries.
    pub from: Arc<Probe>,
    /// What.
    pub verb: Verb,
    /// What is there, for the reader: `tenant-b's listener`, `the metadata service`.
    pub to: String,
    /// The probe that listens there, where it is one.
    pub listener: Option<Arc<Probe>>,
    /// A control that must be answered with this HTTP status, where being answered is not enough.
    pub status: Option<u16>,
    /// A control that this will do for as well, where it is closed.
    pub instead: Option<Verb>,
    /// ... or, where even that is closed, that this probe is reached: it runs where the path leads to.
    pub beside: Option<(Arc<Probe>, u16)>,
    /// What it is about that the others are not, where they do without it: `tcp 53`, `node a`.
    pub optional: Option<String>,
}

impl Path {
    /// A path from `from`, tried with `verb`, to what `to` names.
    pub fn new(from: &Arc<Probe>, verb: Verb, to: impl Into<String>) -> Self {
        Self {
            from: from.clone(),
            verb,
            to: to.into(),
            listener: None,
            status: None,
            instead: None,
            beside: None,
            optional: None,
        }
    }

    /// A path from `from`, tried with `verb`, to another probe.
    pub fn between(from: &Arc<Probe>, verb: Verb, listener: &Arc<Probe>) -> Self {
        Self { listener: Some(listener.clone()), ..Self::new(from, verb, listener.to_string()) }
    }

    /// How long both its ends have run: as long as enforcement has had to cover them.
    fn age(&self) -> Duration {
        let ends = [Some(&self.from), self.listener.as_ref()];
        ends.into_iter().flatten().map(|probe| probe.running_since.elapsed()).min().unwrap_or_default()
    }

    /// As a control, only this status will do.
    pub fn answering(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// As a control, `verb` will do where nobody answers to this path's own: it reaches the same host, and the evidence says so.
    pub fn or_at_least(self, verb: Verb) -> Self {
        Self { instead: Some(verb), ..self }
    }

    /// As a control, `probe` will do where its node takes nothing of pods at all: it runs there, and answers at `port`. The node is alive and lets
    /// packets pass, and what it keeps to itself is closed by the network.
    pub fn or_beside(self, probe: &Arc<Probe>, port: u16) -> Self {
        Self { beside: Some((probe.clone(), port)), ..self }
    }

    /// Paths of `what` are left out, and told, where not even the controls among them are open.
    pub fn if_open(self, what: impl Into<String>) -> Self {
        Self { optional: Some(what.into()), ..self }
    }

    fn beside_verb(&self) -> Option<Verb> {
        self.beside.as_ref().map(|(probe, port)| Verb::Tcp { to: probe.address, port: *port })
    }

    /// What the answer proves about this path: where a probe listens at its end, somebody else's answer is not the probe's.
    fn touch(&self, answer: &Answer) -> Touch {
        match (&self.verb, &self.listener) {
            (Verb::Tcp { .. }, Some(_)) => answer.touch_of_probe(),
            _ => answer.touch(),
        }
    }

    fn open(&self, answer: &Answer) -> bool {
        self.touch(answer) == Touch::Reached && self.status.is_none_or(|status| answer.status == Some(status))
    }

    pub(crate) fn told(&self, answer: &Answer) -> String {
        let between = match self.touch(answer) != answer.touch() {
            true => ", by something in between: it has no probe's greeting",
            false => "",
        };
        format!("{} from {} to {}: {answer}{between}", self.verb, self.from, self.to)
    }

    /// How this path, or what will do instead, is open; else what is closed.
    fn proof(&self, answers: &Answers) -> Result<String, String> {
        let told = self.told(&answers.own);
        if self.open(&answers.own) {
            return Ok(told);
        }
        let told = match (&self.instead, &answers.instead) {
            (Some(verb), Some(answer)) if answer.touch() == Touch::Reached => {
                return Ok(format!(
                    "{told}, nobody answers there; {verb} from {} on the same host: {answer}",
                    self.from
                ));
            }
            (Some(verb), Some(answer)) => format!("{told}; {verb} from {}: {answer}", self.from),
            _ => told,
        };
        match (&self.beside, &answers.beside) {
            (Some((probe, _)), Some(answer)) if self.closed_whole(answers) => Ok(format!(
                "{told}; that node takes nothing of pods, and lets packets pass: {probe} there answers: {answer}"
            )),
            _ => Err(told),
        }
    }

    /// Whether only the probe beside what it leads to is reached.
    fn closed_whole(&self, answers: &Answers) -> bool {
        self.is_closed(answers)
            && answers.beside.as_ref().is_some_and(|answer| answer.touch_of_probe() == Touch::Reached)
    }

    /// Whether packets are kept from it, and from what would do instead.
    fn is_closed(&self, answers: &Answers) -> bool {
        self.touch(&answers.own) == Touch::Stopped
            && answers.instead.as_ref().is_none_or(|answer| answer.touch() == Touch::Stopped)
    }
}

/// What became of a path, and of what will do instead of it.
pub(crate) struct Answers {
    pub(crate) own: Answer,
    pub(crate) instead: Option<Answer>,
    pub(crate) beside: Option<Answer>,
}

impl Cx {
    /// Attempts to get packets along `attempts`.
    pub fn reach(&self, attempts: Vec<Path>) -> Reach {
        let enforcement = self.env.suite.thresholds.enforcement();
        Reach { attempts, enforcement, not_tried: Vec::new(), named: BTreeSet::new() }
    }
}

/// Paths that must be closed.
#[must_use = "name the expected guards with `stopped_by`"]
pub struct Reach {
    pub(crate) attempts: Vec<Path>,
    /// Enforcement takes a moment to cover a pod that has just started, and this question is about what holds from then on: an open path
    /// is believed at once from a probe that has run for so long, and before that only if it stays open. That it was open is told.
    pub(crate) enforcement: Duration,
    /// What a reader might take for tried.
    pub(crate) not_tried: Vec<String>,
    /// Ports that are tried because somebody names them, where anybody gets there.
    pub(crate) named: BTreeSet<Port>,
}

impl Reach {
    /// Tells what is not tried.
    pub fn leaving_out(self, not_tried: &[String]) -> Self {
        Self { not_tried: not_tried.to_vec(), ..self }
    }

    /// Some of the ports are tried because somebody names them. One of them that is cut for everybody, by whatever is no policy's, says
    /// nothing about policies, and nothing against what the other ports say: it is told.
    pub fn at_named(self, ports: &NamedPorts) -> Self {
        Self { named: ports.tried(), ..self.leaving_out(&ports.left_out) }
    }

    /// The guards whose refusal counts.
    pub fn stopped_by(self, guard: Guard) -> Guarded {
        Guarded { reach: self, guard }
    }
}

/// ... with its guard.
#[must_use = "name the control with `while_open`"]
pub struct Guarded {
    reach: Reach,
    guard: Guard,
}

impl Guarded {
    /// The control: paths that must be open when the closed ones are tried and still afterwards, or those prove nothing.
    ///
    /// # Errors
    /// Inconclusive where a control is closed, an exec broke, or an answer says neither.
    pub async fn while_open(self, controls: Vec<Path>) -> Attempted {
        let Reach { mut attempts, enforcement, not_tried, named } = self.reach;
        let mut controls = controls;
        for path in attempts.iter_mut().chain(&mut controls) {
            let port = path.verb.port().filter(|port| named.contains(port));
            path.optional = path.optional.take().or(port.map(|(protocol, port)| format!("{protocol} {port}")));
        }
        let closed = Closed { attempts, controls, enforcement, guard: self.guard };
        let verdict = closed.judged(|tried| tried.reached.join("; "), proved).await?;
        Ok(if not_tried.is_empty() { verdict } else { verdict.told(&format!("not tried: {}", not_tried.join(", "))) })
    }
}

/// Paths that must be closed, next to those that must be open.
pub(crate) struct Closed {
    pub(crate) attempts: Vec<Path>,
    pub(crate) controls: Vec<Path>,
    pub(crate) enforcement: Duration,
    pub(crate) guard: Guard,
}

impl Closed {
    /// Tries them. `told` says what came of attempts that got through, `proved` whether the controls' answers are a control.
    ///
    /// # Errors
    /// As [`Guarded::while_open`].
    pub(crate) async fn judged(
        self,
        told: impl Fn(&Tried) -> String,
        proved: impl Fn(&[Path], Vec<Answered>) -> Result<Control, NoVerdict>,
    ) -> Attempted {
        let Self { mut attempts, mut controls, enforcement, guard } = self;
        if attempts.is_empty() || controls.is_empty() {
            return Err(NoVerdict::inconclusive("no path to try, or none to compare it with"));
        }
        let (mut let_through, mut cut) = (None, BTreeMap::new());
        loop {
            let (tried, open) = tokio::join!(walk(&attempts), walk(&controls));
            let tried = Tried::of(&attempts, tried);
            if !tried.reached.is_empty() {
                if attempts.iter().any(|path| path.age() < enforcement) {
                    let_through.get_or_insert(told(&tried));
                    sleep(AGAIN_AFTER).await;
                    continue;
                }
                return Ok(Verdict::allowed(told(&tried)));
            }
            let besides = cut_for_everybody(&controls, &open);
            let kept = |path: &Path| path.optional.as_ref().is_none_or(|what| !besides.contains_key(what));
            if !besides.is_empty() && attempts.iter().any(kept) && controls.iter().any(kept) {
                attempts.retain(kept);
                controls.retain(kept);
                cut.extend(besides);
                continue;
            }
            // Where not even whoever may go there meets anybody, nobody has been kept from anything.
            let guard = if nobody_answers(&controls, &open) { Guard::Absent } else { guard };
            let guard = if closed_whole(&controls, &open) { Guard::Network } else { guard };
            let control = proved(&controls, open)?;
            if !tried.unclear.is_empty() {
                return Err(NoVerdict::inconclusive(tried.unclear.join("; ")));
            }
            // What the attempts were to reach may have died after its control and before them: they are over now, and it must still answer.
            proved(&controls, walk(&controls).await)?;
            let mut evidence = tried.stopped.join("; ");
            if let Some(at_first) = let_through {
                let age = attempts[0].from.running_since.elapsed().as_millis();
                evidence = format!("closed {age} ms after the probe ran, let through before: {at_first}; {evidence}");
            }
            let verdict = Verdict::denied(guard, evidence, control, tried.slowest_ms).of_attempts(attempts.len());
            return Ok(cut.into_iter().fold(verdict, |verdict, (what, told)| {
                verdict.told(&format!("nothing is said of {what}, where nobody gets at all: {told}"))
            }));
        }
    }
}

/// What became of a round of attempts, for the reader.
#[derive(Default)]
pub(crate) struct Tried {
    reached: Vec<String>,
    /// Every answer that came, with its attempt's place.
    answers: Vec<(usize, Answer)>,
    unclear: Vec<String>,
    stopped: Vec<String>,
    slowest_ms: u64,
}

impl Tried {
    /// What the attempt at `place` was answered.
    pub(crate) fn answer(&self, place: usize) -> Option<&Answer> {
        self.answers.iter().find(|(of, _)| *of == place).map(|(_, answer)| answer)
    }

    fn of(attempts: &[Path], answers: Vec<Answered>) -> Self {
        let mut tried = Self::default();
        for (place, (path, answer)) in attempts.iter().zip(answers).enumerate() {
            match answer {
                Ok(Answers { own: answer, .. }) => {
                    match path.touch(&answer) {
                        Touch::Reached => tried.reached.push(path.told(&answer)),
                        Touch::Unclear => tried.unclear.push(path.told(&answer)),
                        Touch::Stopped => {
                            tried.slowest_ms = tried.slowest_ms.max(answer.ms);
                            tried.stopped.push(path.told(&answer));
                        }
                    }
                    tried.answers.push((place, answer));
                }
                Err(why) => tried.unclear.push(why),
            }
        }
        tried
    }
}

/// What a path was answered, or why there is no answer.
pub(crate) type Answered = Result<Answers, String>;

/// Whether each of the controls is open by what will do instead alone.
fn nobody_answers(controls: &[Path], answers: &[Answered]) -> bool {
    controls.iter().zip(answers).all(|(path, answers)| {
        path.instead.is_some() && answers.as_ref().is_ok_and(|answers| answers.own.touch() == Touch::Stopped)
    })
}

/// Whether one of the controls is open by what runs beside it alone.
fn closed_whole(controls: &[Path], answers: &[Answered]) -> bool {
    controls.iter().zip(answers).any(|(path, answers)| answers.as_ref().is_ok_and(|answers| path.closed_whole(answers)))
}

/// What is optional and closed on each control that leads from one probe to elsewhere, with one of them for the reader. What a probe asks itself
/// passes no guard.
fn cut_for_everybody(controls: &[Path], answers: &[Answered]) -> BTreeMap<String, String> {
    let names: BTreeSet<&String> = controls.iter().filter_map(|path| path.optional.as_ref()).collect();
    let mut cut = BTreeMap::new();
    for name in names {
        let there = controls.iter().zip(answers).filter(|(path, _)| {
            path.optional.as_ref() == Some(name)
                && path.verb.to().is_none_or(|to| path.from.addresses().all(|own| own != to))
        });
        let stopped = |(path, answers): (&Path, &Answered)| match answers {
            Ok(answers) if path.is_closed(answers) && !path.closed_whole(answers) => Some(path.told(&answers.own)),
            _ => None,
        };
        let all: Option<Vec<String>> = there.map(stopped).collect();
        if let Some(told) = all.and_then(|all| all.into_iter().next()) {
            cut.insert(name.clone(), told);
        }
    }
    cut
}

/// Every control open, or no control at all.
pub(crate) fn proved(controls: &[Path], answers: Vec<Answered>) -> Result<Control, NoVerdict> {
    let mut open = Vec::new();
    for (path, answers) in controls.iter().zip(answers) {
        let answers = answers.map_err(|why| NoVerdict::inconclusive(format!("no control: {why}")))?;
        let closed = |told| NoVerdict::inconclusive(format!("no control: the path that must be open is not: {told}"));
        open.push(path.proof(&answers).map_err(closed)?);
    }
    Ok(Control::proved(open.join("; ")))
}

/// Tries all paths at once; each probe gets its share in one exec.
pub(crate) async fn walk(paths: &[Path]) -> Vec<Answered> {
    join_all(paths.iter().map(|path| async move {
        let verbs = [Some(path.verb.clone()), path.instead.clone(), path.beside_verb()].into_iter().flatten().collect();
        let mut answers = path.from.line.ask(verbs).await?.into_iter();
        let own = answers.next().ok_or_else(|| "the agent answered nothing".to_owned())?;
        let instead = path.instead.as_ref().and_then(|_| answers.next());
        Ok(Answers { own, instead, beside: answers.next() })
    }))
    .await
}

/// kube-proxy writes its rules within seconds, on an idle cluster.
const OPEN_WITHIN: Duration = Duration::from_secs(20);

/// Waits until a Service of the run's own leads along all of `paths`; one that is still closed when there is no more hope is told.
///
/// # Errors
/// Inconclusive where an exec broke.
pub(crate) async fn until_open(paths: &[Path], pace: &Pace) -> Result<Option<String>, NoVerdict> {
    let start = Instant::now();
    loop {
        let answers = walk(paths).await.into_iter().collect::<Result<Vec<_>, _>>();
        let answers = answers.map_err(NoVerdict::Inconclusive)?;
        let closed = paths.iter().zip(&answers).find(|(_, answers)| answers.own.touch() != Touch::Reached);
        let Some((path, answers)) = closed else { return Ok(None) };
        let waited = start.elapsed();
        if waited > pace.patience(OPEN_WITHIN) {
            return Ok(Some(format!("{} s after it was made: {}", waited.as_secs(), path.told(&answers.own))));
        }
        sleep(AGAIN_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::probe::exec::Line;
    use crate::record::outcome::Outcome;
    use rstest::rstest;

    /// A probe in `namespace` whose paths are as `results` has them, time after time.
    fn probe(namespace: &str, results: &'static [&'static str]) -> Arc<Probe> {
        let asked = AtomicUsize::new(0);
        let line = Line::answered_by(move |_| {
            let result = results[asked.fetch_add(1, Ordering::SeqCst).min(results.len() - 1)];
            serde_json::from_value(serde_json::json!({ "result": result })).unwrap()
        });
        Arc::new(Probe::in_name_only(namespace, line))
    }

    #[rstest]
    #[case::denied(&["timeout"], &["open", "open"], "denied")]
    #[case::reached(&["open"], &["open"], "allowed")]
    #[case::never_there(&["timeout"], &["timeout"], "inconclusive")]
    #[case::died_before_the_attempt(&["timeout"], &["open", "timeout"], "inconclusive")]
    #[tokio::test]
    async fn a_closed_path_counts_while_its_control_is_open(
        #[case] attempts: &'static [&'static str],
        #[case] controls: &'static [&'static str],
        #[case] expected: &str,
    ) {
        let verb = Verb::Tcp { to: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 1 };
        let path = |from: &str, results| Path::new(&probe(from, results), verb.clone(), "it");
        let verdict = judged(vec![path("inside", attempts)], vec![path("outside", controls)], &[]).await;
        assert_eq!(word(&verdict), expected);
    }

    async fn judged(attempts: Vec<Path>, controls: Vec<Path>, named: &[u16]) -> Attempted {
        let named = named.iter().map(|port| ("tcp", *port)).collect();
        let reach = Reach { attempts, enforcement: Duration::ZERO, not_tried: Vec::new(), named };
        reach.stopped_by(Guard::Network).while_open(controls).await
    }

    fn word(verdict: &Attempted) -> &'static str {
        match verdict {
            Ok(Verdict { outcome: Outcome::Denied { .. }, .. }) => "denied",
            Ok(Verdict { outcome: Outcome::Allowed { .. }, .. }) => "allowed",
            _ => "inconclusive",
        }
    }

    /// Port 1 is open for the controls, port 53 is what is tried because somebody names it.
    #[rstest]
    #[case::cut_for_everybody(&["timeout"], &["timeout"], &["open"], &[53], "denied")]
    #[case::open_for_somebody(&["timeout"], &["open"], &["open"], &[53], "denied")]
    #[case::open_to_the_forbidden(&["open"], &["timeout"], &["open"], &[53], "allowed")]
    #[case::no_verdict_there(&["timeout"], &["error"], &["open"], &[53], "inconclusive")]
    #[case::the_listener_is_dead(&["timeout"], &["open"], &["timeout"], &[53], "inconclusive")]
    #[case::nobody_names_it(&["timeout"], &["timeout"], &["open"], &[], "inconclusive")]
    #[case::nothing_else_is_open(&["timeout"], &["timeout"], &["open"], &[1, 53], "inconclusive")]
    #[tokio::test]
    async fn a_named_port_that_is_cut_for_everybody_is_left_out(
        #[case] attempts: &'static [&'static str],
        #[case] between_others: &'static [&'static str],
        #[case] to_itself: &'static [&'static str],
        #[case] named: &[u16],
        #[case] expected: &str,
    ) {
        let other = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 9));
        let tcp = |to, port| Verb::Tcp { to, port };
        let at = |from: &str, results, to, port| Path::new(&probe(from, results), tcp(to, port), "it");
        let first: &'static [&'static str] = if named.contains(&1) { &["timeout"] } else { &["open"] };
        let verdict = judged(
            vec![at("inside", &["timeout"], other, 1), at("inside", attempts, other, 53)],
            vec![
                at("outside", first, other, 1),
                at("outside", between_others, other, 53),
                at("target", to_itself, IpAddr::V4(Ipv4Addr::LOCALHOST), 53),
            ],
            named,
        )
        .await;
        assert_eq!(word(&verdict), expected);
        let told = verdict.is_ok_and(|verdict| {
            serde_json::to_string(&verdict.outcome).unwrap().contains("nothing is said of tcp 53")
        });
        assert_eq!(told, expected == "denied" && between_others == ["timeout"]);
    }

    #[rstest]
    #[case::itself("open", "timeout", Ok("tcp 127.0.0.1:1 from outside on n to it: open after 0 ms"))]
    #[case::the_host_at_least(
        "refused",
        "open",
        Ok(
            "tcp 127.0.0.1:1 from outside on n to it: refused after 0 ms, nobody answers there; tcp 127.0.0.1:2 from outside on n on the same host: open after 0 ms"
        )
    )]
    #[case::a_dead_host(
        "timeout",
        "timeout",
        Err(
            "tcp 127.0.0.1:1 from outside on n to it: timeout after 0 ms; tcp 127.0.0.1:2 from outside on n: timeout after 0 ms"
        )
    )]
    #[case::unclear(
        "refused",
        "error",
        Err(
            "tcp 127.0.0.1:1 from outside on n to it: refused after 0 ms; tcp 127.0.0.1:2 from outside on n: error after 0 ms"
        )
    )]
    #[tokio::test]
    async fn another_path_to_the_same_host_will_do(
        #[case] own: &'static str,
        #[case] instead: &'static str,
        #[case] expected: Result<&str, &str>,
    ) {
        let tcp = |port| Verb::Tcp { to: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
        let answer = |result| serde_json::from_value(serde_json::json!({ "result": result })).unwrap();
        let answers = Answers { own: answer(own), instead: Some(answer(instead)), beside: None };
        let path = Path::new(&probe("outside", &[]), tcp(1), "it").or_at_least(tcp(2));
        assert_eq!(path.proof(&answers), expected.map(str::to_owned).map_err(str::to_owned));
    }

    /// A node that takes nothing of pods: what runs there, or is optional, and what neither is.
    #[rstest]
    #[case::its_probe_answers(Some("open"), true, "denied", "network")]
    #[case::its_probe_is_dead(Some("timeout"), false, "inconclusive", "")]
    #[case::nobody_runs_there_and_it_is_one_of_several(None, true, "denied", "absent")]
    #[case::nobody_runs_there(None, false, "inconclusive", "")]
    #[tokio::test]
    async fn a_node_that_takes_nothing_of_pods(
        #[case] beside: Option<&'static str>,
        #[case] optional: bool,
        #[case] expected: &str,
        #[case] guard: &str,
    ) {
        let to = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        let tcp = |last, port| Verb::Tcp { to: to(last), port };
        let from = |results| probe("outside", results);
        let mut closed = Path::new(&from(&["timeout"]), tcp(1, 10255), "node a");
        let mut control = Path::new(&from(&["timeout"]), tcp(1, 10250), "node a");
        if let Some(result) = beside {
            // Whatever it asks: the way to the node is closed, the one to the probe there is what is tried.
            let line = Line::answered_by(move |verb| {
                let there = matches!(verb, Verb::Tcp { port: 8080, .. });
                let banner = if result == "open" { Some("oke-conformance agent p") } else { None };
                let result = if there { result } else { "timeout" };
                serde_json::from_value(serde_json::json!({ "result": result, "banner": banner.filter(|_| there) }))
                    .unwrap()
            });
            let asking = Arc::new(Probe { line, ..Arc::into_inner(probe("outside", &[""])).unwrap() });
            control = Path { from: asking, ..control }.or_beside(&probe("there", &[""]), 8080);
        }
        if optional {
            closed = closed.if_open("node a");
            control = control.if_open("node a");
        }
        let other = Path::new(&from(&["refused"]), tcp(2, 10255), "node b");
        let open = Path::new(&from(&["refused"]), tcp(2, 1), "node b").or_at_least(tcp(2, 10250));
        let both = Path { from: answering(&["refused", "open"]), ..open };
        let verdict = judged(vec![closed, other], vec![control, both], &[]).await;
        assert_eq!(word(&verdict), expected);
        if let Ok(Verdict { outcome: Outcome::Denied { guard: found, evidence, .. }, .. }) = &verdict {
            assert_eq!(found.name(), guard);
            assert_eq!(evidence.contains("nothing is said of node a"), beside.is_none());
        }
    }

    /// A probe that is answered so, verb after verb, again and again.
    fn answering(results: &'static [&'static str]) -> Arc<Probe> {
        let asked = AtomicUsize::new(0);
        let line = Line::answered_by(move |_| {
            let result = results[asked.fetch_add(1, Ordering::SeqCst) % results.len()];
            serde_json::from_value(serde_json::json!({ "result": result })).unwrap()
        });
        Arc::new(Probe { line, ..Arc::into_inner(probe("outside", &[""])).unwrap() })
    }

    #[rstest]
    #[case::nobody(&["refused", "timeout"], true)]
    #[case::somebody_on_one_of_them(&["refused", "open"], false)]
    #[tokio::test]
    async fn where_nobody_answers_nobody_was_kept_away(#[case] own: &[&'static str], #[case] expected: bool) {
        let tcp = |port| Verb::Tcp { to: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
        let answer = |result: &str| serde_json::from_value(serde_json::json!({ "result": result })).unwrap();
        let answers: Vec<Answered> = own
            .iter()
            .map(|own| Ok(Answers { own: answer(own), instead: Some(answer("open")), beside: None }))
            .collect();
        let path = Path::new(&probe("outside", &[]), tcp(1), "it");
        let with_instead = vec![path.clone().or_at_least(tcp(2)); own.len()];
        assert_eq!(nobody_answers(&with_instead, &answers), expected);
        assert!(!nobody_answers(&vec![path; own.len()], &answers), "a control of one's own was closed");
    }
}
