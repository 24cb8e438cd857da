//! What a run costs the cluster in pods, execs and requests: counts, so that a ceiling holds them. Seconds and CPU-seconds are the bench's. And
//! what it costs whoever else works there: nothing.

mod live;
mod suite;

use std::time::Duration;

use harness::record::{Outcome, Run};
use rstest::rstest;

use suite::Suite;

/// Longer than any run here takes.
const A_RUN: Duration = Duration::from_secs(300);

/// The second pool with a taint: its nodes are tried like others, at the same price.
struct Tainted(String);

impl Tainted {
    fn new() -> Self {
        let node = format!("{}-worker2", live::name());
        live::kubectl(&["taint", "node", &node, "dedicated=batch:NoSchedule"]);
        Self(node)
    }
}

impl Drop for Tainted {
    fn drop(&mut self) {
        live::kubectl(&["taint", "node", &self.0, "dedicated-"]);
    }
}

#[rstest]
#[case::quick("quick", 0, 0, 1350)]
#[case::prod("prod", 20, 60, 1850)]
#[case::oke("oke", 40, 90, 2400)]
#[ignore = "needs a range; .ci/run sets OKE_CONFORMANCE_RANGE"]
fn no_more_than_it_may(#[case] name: &str, #[case] pods: usize, #[case] execs: u64, #[case] requests: u64) {
    let suite = Suite::new().kubeconfig(&live::kubeconfig());
    let tainted = (name == "prod").then(Tainted::new);
    let bystander = tainted.is_some().then(live::Bystander::new);
    let arguments = ["--suite", name, "--report-dir", "reports", "--cluster", &live::context()];
    let ended = suite.start(&arguments).end(A_RUN);
    if let Some(mut bystander) = bystander {
        let seen = bystander.seen();
        assert!(seen.len() > 10 && seen.iter().all(|allowed| allowed == "1"), "disruptions allowed: {seen:?}");
    }
    let text = std::fs::read(suite.folder().join("reports/run.json")).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let run: Run = serde_json::from_slice(&text).unwrap();
    // What fails half-way costs less than it will.
    let concluded = |outcome: &Outcome| matches!(outcome, Outcome::Denied { .. } | Outcome::NotApplicable { .. });
    assert!(run.scenarios.iter().all(|record| concluded(&record.outcome)), "{}", ended.stdout);
    if let Some(Tainted(node)) = &tainted {
        let unreachable = run.scenarios.iter().find(|record| record.id == "metadata/endpoint-unreachable").unwrap();
        assert!(unreachable.cells.iter().any(|cell| cell.name.ends_with(node.as_str())), "{:?}", unreachable.cells);
    }
    let found = (run.pods, run.execs, run.requests);
    assert!(found.0 <= pods && found.1 <= execs && found.2 <= requests, "pods, execs, requests: {found:?}");
}
