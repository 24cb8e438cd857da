//! Running scenarios as tests: one trial and one record a scenario, one cell a repetition, and none ever missing.
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use libtest_mimic::{Arguments, Completion, Conclusion, Failed, Trial};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinError;
use tokio::time::timeout_at;

use crate::cx::{Cx, Place};
use crate::env::Env;
use crate::heat_map::HeatMap;
use crate::printable::line;
use crate::quiet::Work;
use crate::reachability::Reachability;
use crate::record::facts::IdlePool;
use crate::record::outcome::{ON, PAIR};
use crate::record::{Acknowledged, Cell, NodeFacts, Outcome, Record, Run};
use crate::scenario::{Entry, Impact, Scope};
use crate::verdict::{Attempted, NoVerdict, Verdict};

/// A cell that has no verdict when nothing at all has come of what the run asked for in so long a time is inconclusive, ...
const SILENCE: Duration = Duration::from_secs(120);
/// ... and one that takes longer than a run's objects may stand.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// The trials, for `--list` and for the filter: none of them can be run.
pub fn catalogue(entries: &[Entry]) -> Vec<Trial> {
    entries.iter().map(|entry| Trial::test(entry.id.clone(), || Err(Failed::from("listed only")))).collect()
}

/// Which entries the arguments' filter selects, by libtest's own rules.
pub fn selected(args: &Arguments, entries: Vec<Entry>) -> Vec<Entry> {
    let kept = |entry: &Entry| !args.is_filtered_out(&Trial::test(entry.id.clone(), || Ok(())));
    entries.into_iter().filter(kept).collect()
}

/// Runs `entries` against the cluster of `env`; `told` hears of each record as soon as it is complete.
pub fn run(
    args: &Arguments,
    entries: Vec<Entry>,
    env: &Arc<Env>,
    runtime: &Handle,
    suite: &str,
    told: impl Fn(&Record) + Send + Sync + 'static,
) -> (Run, Conclusion) {
    let told = Arc::new(told);
    let started = Timestamp::now();
    let start = Instant::now();
    let order: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    // What a scenario leaves that comes to no end: none is ever missing.
    let crashed: Vec<Record> = entries.iter().map(crashed).collect();
    let records: Arc<Mutex<HashMap<String, Record>>> = Arc::default();
    // Everything begins at once: the pace, not a number of threads, decides what is under way. Whoever asks for threads gets no more
    // scenarios at a time.
    let at_once = args.test_threads.map(|threads| Arc::new(Semaphore::new(threads.max(1))));
    // Before the first cell begins, all are known to be at work: quiet is when each has been.
    let known: Vec<_> = entries
        .into_iter()
        .enumerate()
        .map(|(place, entry)| {
            let known = at_once.is_none().then(|| at_work(env, entry.scenario.scope, place));
            (place, entry, known)
        })
        .collect();
    let waiting: Vec<(String, oneshot::Receiver<()>)> = known
        .into_iter()
        .map(|(place, entry, known)| {
            let id = entry.id.clone();
            let (done, waited) = oneshot::channel();
            let (env, records, at_once, told) = (env.clone(), records.clone(), at_once.clone(), told.clone());
            runtime.spawn(async move {
                let _turn = match &at_once {
                    Some(at_once) => at_once.acquire().await.ok(),
                    None => None,
                };
                let cells = known.unwrap_or_else(|| at_work(&env, entry.scenario.scope, place));
                let record = one(&entry, &env, cells, start).await;
                told(&record);
                records.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(record.id.clone(), record);
                let _ = done.send(());
            });
            (id, waited)
        })
        .collect();
    let threads = waiting.len().max(1);
    let trials = waiting.into_iter().map(|(id, waited)| {
        let records = records.clone();
        Trial::ignorable_test(id.clone(), move || {
            let _ = waited.blocking_recv();
            let records = records.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            records.get(&id).map_or_else(|| Err(Failed::from(format!("inconclusive: {CRASHED}"))), completion)
        })
    });
    // Each thread does nothing but wait for its scenario.
    let args = Arguments { test_threads: Some(threads), ..args.clone() };
    let conclusion = libtest_mimic::run(&args, trials.collect());
    let mut records = records.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let scenarios: Vec<Record> =
        crashed.into_iter().map(|crashed| records.remove(&crashed.id).unwrap_or(crashed)).collect();
    let run = Run {
        schema: 2,
        id: env.sandbox.run.clone(),
        started: started.to_string(),
        elapsed_ms: start.elapsed().as_millis() as u64,
        suite: suite.into(),
        cluster: env.facts.clone(),
        probes: env.probes.running(),
        peak_memory_kib: peak_memory_kib(),
        waivers: env.waivers.records(&env.facts.name),
        acknowledgements: env.waivers.acknowledgements(&env.facts.name),
        allowances: env.suite.allowances(&order),
        requests: env.traffic.sent(),
        heat_map: HeatMap::of(&scenarios),
        reachability: Reachability::of(&scenarios),
        measurements: env.measurements.all(),
        execs: env.traffic.execs(),
        pods: env.probes.placed(),
        scenarios,
    };
    (run, conclusion)
}

/// Linux says it in /proc; elsewhere nobody does.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// libtest prints what it is handed as it is.
fn completion(record: &Record) -> Result<Completion, Failed> {
    match &record.outcome {
        Outcome::Denied { .. } => Ok(Completion::Completed),
        Outcome::NotApplicable { why } => Ok(Completion::ignored_with(line(why))),
        Outcome::Waived { reason, owner, until, .. } => {
            Ok(Completion::ignored_with(line(&format!("waived until {until} by {owner}: {reason}"))))
        }
        Outcome::Allowed { evidence } => Err(Failed::from(line(&format!("allowed: {evidence}")))),
        Outcome::Inconclusive { why, acknowledged: None } => Err(Failed::from(line(&format!("inconclusive: {why}")))),
        Outcome::Inconclusive { why, acknowledged: Some(Acknowledged { reason, owner, until }) } => {
            Ok(Completion::ignored_with(line(&format!("acknowledged until {until} by {owner}: {reason}: {why}"))))
        }
    }
}

const CRASHED: &str = "the scenario crashed";

/// What there is to say of a scenario without any of its cells.
fn crashed(entry: &Entry) -> Record {
    let scenario = entry.scenario;
    Record {
        id: entry.id.clone(),
        title: scenario.title.into(),
        explanation: entry.explanation(),
        guidance: scenario.guidance.iter().map(ToString::to_string).collect(),
        also: scenario.also.iter().map(ToString::to_string).collect(),
        severity: scenario.severity,
        impact: scenario.impact,
        scope: scenario.scope,
        outcome: Outcome::inconclusive(CRASHED),
        cells: Vec::new(),
        started_ms: 0,
        elapsed_ms: 0,
    }
}

/// The cells of a scope, each at work from now on; `order` is their scenario's place in the catalogue.
fn at_work(env: &Arc<Env>, scope: Scope, order: usize) -> Vec<(String, Place, Work)> {
    cells(scope, env).into_iter().map(|(name, place)| (name, place, env.quiet.work(order))).collect()
}

async fn one(entry: &Entry, env: &Arc<Env>, cells: Vec<(String, Place, Work)>, start: Instant) -> Record {
    let started_ms = start.elapsed().as_millis() as u64;
    let scenario = entry.scenario;
    let cells = cells.into_iter().map(|(name, place, work)| {
        let (shared, id) = (env.clone(), entry.id.clone());
        let task = tokio::spawn(async move {
            let began = Instant::now();
            work.begins();
            let cx = Cx { env: shared, scenario: id, place, work };
            let attempted = match cx.place.untried.clone() {
                Some(why) => Err(why),
                None => while_alive(&cx, (scenario.run)(&cx)).await,
            };
            // What a node guards is known of those that were tried from.
            let sampled = match scenario.scope {
                Scope::Cluster | Scope::EachNode => None,
                _ if scenario.impact < Impact::Probe => None,
                _ => cx.env.sampled(cx.place.node.as_ref()),
            };
            let attempted = attempted.map(|verdict| match &sampled {
                Some(sampled) => verdict.told(sampled),
                None => verdict,
            });
            (attempted.unwrap_or_else(Verdict::from), began.elapsed())
        });
        async move {
            let answered = |outcome| env.waivers.apply(&env.facts.name, &entry.id, &name, outcome);
            let (verdict, elapsed) = ended(task.await, answered);
            Cell {
                outcome: verdict.outcome,
                name,
                elapsed_ms: elapsed.as_millis() as u64,
                denied_after_ms: verdict.denied_after_ms,
                attempts: verdict.attempts,
            }
        }
    });
    let cells: Vec<Cell> = futures::future::join_all(cells).await;
    Record {
        outcome: worst(&cells, scenario.scope),
        started_ms,
        elapsed_ms: (start.elapsed().as_millis() as u64).saturating_sub(started_ms),
        cells,
        ..crashed(entry)
    }
}

/// An attempt, for as long as anything comes of what the run asks for: on a large cluster a cell waits long for its turn, and on one that
/// has fallen silent nothing is worth waiting for.
async fn while_alive(cx: &Cx, attempt: impl Future<Output = Attempted>) -> Attempted {
    let pace = cx.env.traffic.pace();
    let latest = tokio::time::Instant::now() + LONGEST;
    let until = || {
        let silent = cx.work.since().map(|since| pace.alive().max(since) + SILENCE);
        silent.unwrap_or_else(|| tokio::time::Instant::now() + SILENCE).min(latest)
    };
    let mut attempt = pin!(attempt);
    loop {
        if let Ok(attempted) = timeout_at(until(), &mut attempt).await {
            return attempted;
        }
        if until() <= tokio::time::Instant::now() {
            let seconds = SILENCE.as_secs();
            return Err(NoVerdict::inconclusive(format!(
                "no verdict, and for {seconds} s nothing has come of what the run asked for"
            )));
        }
    }
}

/// What became of a cell, with who answers for it; for a crash nobody does: it is the suite's own fault.
fn ended(
    joined: Result<(Verdict, Duration), JoinError>,
    answered: impl FnOnce(Outcome) -> Outcome,
) -> (Verdict, Duration) {
    match joined {
        Ok((verdict, elapsed)) => (Verdict { outcome: answered(verdict.outcome), ..verdict }, elapsed),
        Err(crash) => (NoVerdict::inconclusive(format!("{CRASHED}: {}", panic_text(crash))).into(), Duration::ZERO),
    }
}

fn panic_text(crash: JoinError) -> String {
    let Ok(panic) = crash.try_into_panic() else { return "it was cancelled".into() };
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".into())
}

/// A scenario is as good as its worst cell; a question that arises nowhere is not applicable.
fn worst(cells: &[Cell], scope: Scope) -> Outcome {
    let badness = |outcome: &Outcome| match outcome {
        Outcome::NotApplicable { .. } => 0,
        Outcome::Denied { .. } => 1,
        Outcome::Waived { .. } => 2,
        // What is not known is worse than what is known and answered for: it must not hide behind a waiver.
        Outcome::Inconclusive { acknowledged: Some(_), .. } => 3,
        Outcome::Inconclusive { acknowledged: None, .. } => 4,
        Outcome::Allowed { .. } => 5,
    };
    let worst = cells.iter().map(|cell| &cell.outcome).reduce(|a, b| if badness(b) > badness(a) { b } else { a });
    worst.cloned().unwrap_or_else(|| Outcome::NotApplicable { why: nowhere(scope).into() })
}

/// Why a scope has no cells.
pub(crate) fn nowhere(scope: Scope) -> &'static str {
    match scope {
        Scope::EachPair => "one namespace alone has no neighbour",
        Scope::Cluster | Scope::EachNamespace => "no namespace is in scope",
        Scope::EachNode | Scope::EachPool | Scope::EachNamespaceOnEachPool => "no node can host a probe",
    }
}

pub(crate) fn cells(scope: Scope, env: &Env) -> Vec<(String, Place)> {
    let namespaces = &env.facts.namespaces;
    match scope {
        Scope::Cluster => vec![("cluster".into(), Place::default())],
        Scope::EachNamespace => namespaces
            .iter()
            .map(|namespace| (namespace.clone(), Place { namespace: Some(namespace.clone()), ..Place::default() }))
            .collect(),
        Scope::EachNode => nodes(env.nodes(), |node| &node.name).into_iter().chain(untried(env, "")).collect(),
        Scope::EachPool => nodes(
            env.placement.hosts(None).iter(),
            if env.suite.sample.nodes > 1 { |node| &node.name } else { |node| &node.pool },
        )
        .into_iter()
        .chain(untried(env, ""))
        .collect(),
        Scope::EachPair => pairs(namespaces)
            .map(|(from, to)| {
                (
                    format!("{from}{PAIR}{to}"),
                    Place { namespace: Some(from.clone()), other: Some(to.clone()), ..Place::default() },
                )
            })
            .collect(),
        Scope::EachNamespaceOnEachPool => namespaces
            .iter()
            .flat_map(|namespace| env.placement.hosts(Some(namespace)).iter().map(move |node| (namespace, node)))
            .map(|(namespace, node)| {
                let place = Place { namespace: Some(namespace.clone()), node: Some(node.clone()), ..Place::default() };
                (format!("{namespace}{ON}{}", node.name), place)
            })
            .chain(namespaces.iter().flat_map(|namespace| untried(env, &format!("{namespace}{ON}"))))
            .collect(),
    }
}

/// A cell for each pool that no probe can be placed in: it is told, not passed over.
fn untried<'a>(env: &'a Env, before: &str) -> impl Iterator<Item = (String, Place)> + use<'a> {
    let before = before.to_owned();
    env.idle_pools.iter().map(move |IdlePool { pool, why, for_good }| {
        let untried = match for_good {
            true => NoVerdict::not_applicable(format!("pool {pool} runs no probes: {why}")),
            false => NoVerdict::inconclusive(format!("no probe can be placed in pool {pool}: {why}")),
        };
        (format!("{before}{pool}"), Place { untried: Some(untried), ..Place::default() })
    })
}

fn nodes<'a>(nodes: impl Iterator<Item = &'a NodeFacts>, name: fn(&NodeFacts) -> &str) -> Vec<(String, Place)> {
    nodes.map(|node| (name(node).to_owned(), Place { node: Some(node.clone()), ..Place::default() })).collect()
}

fn pairs(names: &[String]) -> impl Iterator<Item = (&String, &String)> {
    names.iter().flat_map(move |from| names.iter().filter(move |to| *to != from).map(move |to| (from, to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Guard;
    use rstest::rstest;

    fn acknowledged(reason: &str) -> Acknowledged {
        Acknowledged { reason: reason.into(), owner: "o".into(), until: "2027-01-31".into() }
    }

    /// The outcome's word, as a reader has it who knows of acknowledgements.
    fn word(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Inconclusive { acknowledged: Some(_), .. } => "acknowledged".into(),
            _ => serde_json::to_value(outcome).unwrap()["outcome"].as_str().unwrap().into(),
        }
    }

    fn cell(outcome: &str) -> Cell {
        let text = || outcome.to_owned();
        let outcome = match outcome {
            "denied" => Outcome::Denied { guard: Guard::Rbac, evidence: text(), control: text() },
            "allowed" => Outcome::Allowed { evidence: text() },
            "waived" => Outcome::Waived { evidence: text(), reason: text(), owner: text(), until: text() },
            "inconclusive" => Outcome::inconclusive(text()),
            "acknowledged" => Outcome::Inconclusive { why: text(), acknowledged: Some(acknowledged(&text())) },
            _ => Outcome::NotApplicable { why: text() },
        };
        Cell { name: text(), outcome, elapsed_ms: 0, denied_after_ms: None, attempts: 1 }
    }

    #[rstest]
    #[case(&["denied", "denied"], "denied")]
    #[case(&["denied", "allowed", "inconclusive"], "allowed")]
    #[case(&["denied", "inconclusive"], "inconclusive")]
    #[case(&["denied", "waived"], "waived")]
    #[case(&["waived", "inconclusive"], "inconclusive")]
    #[case(&["denied", "acknowledged"], "acknowledged")]
    #[case(&["acknowledged", "waived"], "acknowledged")]
    #[case(&["acknowledged", "inconclusive"], "inconclusive")]
    #[case(&["acknowledged", "allowed"], "allowed")]
    #[case(&["denied", "not-applicable"], "denied")]
    #[case(&["not-applicable"], "not-applicable")]
    #[case(&[], "not-applicable")]
    fn a_scenario_is_as_good_as_its_worst_cell(#[case] cells: &[&str], #[case] expected: &str) {
        let cells: Vec<Cell> = cells.iter().map(|outcome| cell(outcome)).collect();
        assert_eq!(word(&worst(&cells, Scope::EachNode)), expected);
    }

    #[test]
    fn every_ordered_pair_once_and_none_with_itself() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).into();
        let pairs: Vec<String> = pairs(&names).map(|(from, to)| format!("{from}{to}")).collect();
        assert_eq!(pairs, ["ab", "ac", "ba", "bc", "ca", "cb"]);
    }

    /// As libtest prints it: what a cluster says stays on its line and does nothing.
    #[rstest]
    #[case(Outcome::Allowed { evidence: ODD.into() }, "allowed: \\u{1b}[2Jno\\u{202e} test x ... ok")]
    #[case(Outcome::inconclusive(ODD), "inconclusive: \\u{1b}[2Jno\\u{202e} test x ... ok")]
    #[case(Outcome::NotApplicable { why: ODD.into() }, "\\u{1b}[2Jno\\u{202e} test x ... ok")]
    #[case(
        Outcome::Waived { evidence: String::new(), reason: ODD.into(), owner: "o".into(), until: "2027-01-31".into() },
        "waived until 2027-01-31 by o: \\u{1b}[2Jno\\u{202e} test x ... ok"
    )]
    #[case(
        Outcome::Inconclusive { why: ODD.into(), acknowledged: Some(acknowledged("r")) },
        "acknowledged until 2027-01-31 by o: r: \\u{1b}[2Jno\\u{202e} test x ... ok"
    )]
    fn libtest_is_handed_text(#[case] outcome: Outcome, #[case] expected: &str) {
        let record = Record { outcome, ..crashed(&Entry::new("a", "b", "", &crate::scenario::sample::OBSERVES)) };
        let told = match completion(&record) {
            Ok(Completion::Ignored { reason }) => reason,
            Ok(Completion::Completed) => None,
            Err(failed) => failed.message().map(str::to_owned),
        };
        assert_eq!(told.as_deref(), Some(expected));
    }

    const ODD: &str = "\u{1b}[2Jno\u{202e}\ntest x ... ok";

    #[tokio::test]
    async fn a_crash_is_told_with_its_message_and_nobody_answers_for_it() {
        let crash = tokio::spawn(async { panic!("at sea") }).await;
        let (verdict, _) = ended(crash, |_| panic!("somebody answered for it"));
        assert_eq!(verdict.outcome, Outcome::inconclusive("the scenario crashed: at sea"));
    }
}
