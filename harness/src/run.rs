//! Running scenarios as tests: one trial and one record a scenario, one cell a repetition, and none ever missing.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use libtest_mimic::{Arguments, Completion, Conclusion, Failed, Trial};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::cx::{Cx, Place};
use crate::env::Env;
use crate::heat_map::HeatMap;
use crate::reachability::{PAIR, Reachability};
use crate::record::{Cell, NodeFacts, Outcome, Record, Run};
use crate::scenario::{Entry, Scope};
use crate::verdict::{NoVerdict, Verdict};

/// A cell that has no verdict by then is inconclusive: twice what the longest takes on a small cluster, waiting for others included.
const CELL_WITHIN: Duration = Duration::from_secs(240);
/// Cells under way at once, over all scenarios.
const CELLS_AT_ONCE: usize = 64;
/// ... of scenarios about pairs of namespaces: what such cells ask of the same probe travels together, and is paid for once where all ask at
/// once; what each holds is small.
const PAIRS_AT_ONCE: usize = 10_000;
/// Scenarios mostly wait: far more of them than cores run at once.
const THREADS: usize = 64;

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
    told: fn(&Record),
) -> (Run, Conclusion) {
    let started = Timestamp::now();
    let start = Instant::now();
    let order: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    let records: Arc<Mutex<HashMap<String, Record>>> = Arc::default();
    let [of_pairs, of_others] = [PAIRS_AT_ONCE, CELLS_AT_ONCE].map(|limit| Arc::new(Semaphore::new(limit)));
    let trials = entries.into_iter().map(|entry| {
        let (env, runtime, records) = (env.clone(), runtime.clone(), records.clone());
        let limit = if entry.scenario.scope == Scope::EachPair { of_pairs.clone() } else { of_others.clone() };
        Trial::ignorable_test(entry.id.clone(), move || {
            let record = runtime.block_on(one(&entry, &env, &limit, start));
            told(&record);
            let completion = completion(&record.outcome);
            records.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(record.id.clone(), record);
            completion
        })
    });
    let args = Arguments { test_threads: args.test_threads.or(Some(THREADS)), ..args.clone() };
    let conclusion = libtest_mimic::run(&args, trials.collect());
    let mut records = records.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let scenarios: Vec<Record> = order.iter().filter_map(|id| records.remove(id)).collect();
    let run = Run {
        schema: 1,
        id: env.sandbox.run.clone(),
        started: started.to_string(),
        elapsed_ms: start.elapsed().as_millis() as u64,
        suite: suite.into(),
        cluster: env.facts.clone(),
        probes: env.probes.running(),
        peak_memory_kib: peak_memory_kib(),
        waivers: env.waivers.records(&env.facts.name),
        allowances: env.suite.allowances(&order),
        requests: env.traffic.sent(),
        heat_map: HeatMap::of(&scenarios),
        reachability: Reachability::of(&scenarios),
        startup_window: env.startup_window.get().cloned(),
        enforcement: env.enforcement.get().copied(),
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

fn completion(outcome: &Outcome) -> Result<Completion, Failed> {
    match outcome {
        Outcome::Denied { .. } => Ok(Completion::Completed),
        Outcome::NotApplicable { why } => Ok(Completion::ignored_with(why)),
        Outcome::Waived { reason, owner, until, .. } => {
            Ok(Completion::ignored_with(format!("waived until {until} by {owner}: {reason}")))
        }
        Outcome::Allowed { evidence } => Err(Failed::from(format!("allowed: {evidence}"))),
        Outcome::Inconclusive { why } => Err(Failed::from(format!("inconclusive: {why}"))),
    }
}

async fn one(entry: &Entry, env: &Arc<Env>, limit: &Arc<Semaphore>, start: Instant) -> Record {
    let started_ms = start.elapsed().as_millis() as u64;
    let scenario = entry.scenario;
    let cells = cells(scenario.scope, env).into_iter().map(|(name, place)| {
        let (shared, limit, id) = (env.clone(), limit.clone(), entry.id.clone());
        let task = tokio::spawn(async move {
            let _permit = limit.acquire().await;
            let began = Instant::now();
            let cx = Cx { env: shared, scenario: id, place };
            let verdict = match timeout(CELL_WITHIN, (scenario.run)(&cx)).await {
                Ok(attempted) => attempted.unwrap_or_else(Verdict::from),
                Err(_) => NoVerdict::inconclusive(format!("no verdict within {} s", CELL_WITHIN.as_secs())).into(),
            };
            (verdict, began.elapsed())
        });
        async move {
            let (verdict, elapsed) = task.await.unwrap_or_else(|crash| {
                (NoVerdict::inconclusive(format!("the scenario crashed: {}", panic_text(crash))).into(), Duration::ZERO)
            });
            Cell {
                outcome: env.waivers.apply(&env.facts.name, &entry.id, &name, verdict.outcome),
                name,
                elapsed_ms: elapsed.as_millis() as u64,
                denied_after_ms: verdict.denied_after_ms,
                attempts: verdict.attempts,
            }
        }
    });
    let cells: Vec<Cell> = futures::future::join_all(cells).await;
    Record {
        id: entry.id.clone(),
        title: scenario.title.into(),
        explanation: entry.explanation(),
        guidance: scenario.guidance.iter().map(ToString::to_string).collect(),
        also: scenario.also.iter().map(ToString::to_string).collect(),
        severity: scenario.severity,
        impact: scenario.impact,
        scope: scenario.scope,
        outcome: worst(&cells),
        started_ms,
        elapsed_ms: (start.elapsed().as_millis() as u64).saturating_sub(started_ms),
        cells,
    }
}

fn panic_text(crash: tokio::task::JoinError) -> String {
    let Ok(panic) = crash.try_into_panic() else { return "it was cancelled".into() };
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".into())
}

/// A scenario is as good as its worst cell; a question that arises nowhere is not applicable.
fn worst(cells: &[Cell]) -> Outcome {
    let badness = |outcome: &Outcome| match outcome {
        Outcome::NotApplicable { .. } => 0,
        Outcome::Denied { .. } => 1,
        Outcome::Waived { .. } => 2,
        Outcome::Inconclusive { .. } => 3,
        Outcome::Allowed { .. } => 4,
    };
    let worst = cells.iter().map(|cell| &cell.outcome).reduce(|a, b| if badness(b) > badness(a) { b } else { a });
    worst.cloned().unwrap_or_else(|| Outcome::NotApplicable {
        why: "the cluster has nothing that this scope could be repeated for".into(),
    })
}

pub(crate) fn cells(scope: Scope, env: &Env) -> Vec<(String, Place)> {
    let namespaces = &env.facts.namespaces;
    match scope {
        Scope::Cluster => vec![("cluster".into(), Place::default())],
        Scope::EachNamespace => namespaces
            .iter()
            .map(|namespace| (namespace.clone(), Place { namespace: Some(namespace.clone()), ..Place::default() }))
            .collect(),
        Scope::EachNode => nodes(env.nodes(), |node| &node.name),
        Scope::EachPool => nodes(env.hosts.iter(), |node| &node.pool),
        Scope::EachPair => pairs(namespaces)
            .map(|(from, to)| {
                (
                    format!("{from}{PAIR}{to}"),
                    Place { namespace: Some(from.clone()), other: Some(to.clone()), node: None },
                )
            })
            .collect(),
        Scope::EachNamespaceOnEachPool => namespaces
            .iter()
            .flat_map(|namespace| env.hosts.iter().map(move |node| (namespace, node)))
            .map(|(namespace, node)| {
                let place = Place { namespace: Some(namespace.clone()), other: None, node: Some(node.clone()) };
                (format!("{namespace} on {}", node.name), place)
            })
            .collect(),
    }
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

    fn cell(outcome: &str) -> Cell {
        let text = || outcome.to_owned();
        let outcome = match outcome {
            "denied" => Outcome::Denied { guard: Guard::Rbac, evidence: text(), control: text() },
            "allowed" => Outcome::Allowed { evidence: text() },
            "waived" => Outcome::Waived { evidence: text(), reason: text(), owner: text(), until: text() },
            "inconclusive" => Outcome::Inconclusive { why: text() },
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
    #[case(&["denied", "not-applicable"], "denied")]
    #[case(&["not-applicable"], "not-applicable")]
    #[case(&[], "not-applicable")]
    fn a_scenario_is_as_good_as_its_worst_cell(#[case] cells: &[&str], #[case] expected: &str) {
        let cells: Vec<Cell> = cells.iter().map(|outcome| cell(outcome)).collect();
        let value = serde_json::to_value(worst(&cells)).unwrap();
        assert_eq!(value["outcome"], expected);
    }

    #[test]
    fn every_ordered_pair_once_and_none_with_itself() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).into();
        let pairs: Vec<String> = pairs(&names).map(|(from, to)| format!("{from}{to}")).collect();
        assert_eq!(pairs, ["ab", "ac", "ba", "bc", "ca", "cb"]);
    }

    #[tokio::test]
    async fn a_crash_is_told_with_its_message() {
        let crash = tokio::spawn(async { panic!("at sea") }).await.unwrap_err();
        assert_eq!(panic_text(crash), "at sea");
    }
}
