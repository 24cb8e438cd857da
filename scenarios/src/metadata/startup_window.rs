//! A network policy is a promise about pods that run, kept by an engine that hears of a pod once there is one. Between a pod's first
//! instruction and the moment when the engine has caught up, everything is open, and reading a key takes five milliseconds.
//!
//! Attempted: a connection to the metadata endpoint every 25 milliseconds from the first instruction on, by new pods over all nodes, as many as
//! the suite's `[sample]` says, in namespaces of the run's own whose policies close it, while nothing else of the run is at work. Expected: nobody
//! is let through for longer than the suite's threshold `startup-window-ms`; p50, p95 and the longest, by node and over all, are the evidence,
//! and in run.json. Control: probes that no policy selects get the instance document before and after, with status 200, and the pods themselves
//! go on reaching a listener that their policies leave open.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{DOCUMENT, ENDPOINT, NAME};
use crate::network::PORT;

/// New pods are covered in time.
pub const SCENARIO: Scenario = Scenario {
    title: "new pods are not let through to the metadata endpoint for long",
    guidance: &[G(4, 5), G(5, 2)],
    also: &[],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::Cluster,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::POLICY],
    attempts: |_| vec![format!("tcp {ENDPOINT}:80 every 25 ms from each new pod's first instruction on")],
    controls: |_| 30,
    pods: 9,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.startup_window(ENDPOINT, 80, DOCUMENT, NAME, PORT).await
}
