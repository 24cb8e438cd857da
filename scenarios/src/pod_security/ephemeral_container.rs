//! A debug container joins a pod that runs already, past everything that was decided when the pod was admitted. Where the standards are kept
//! for pods and not for these, whoever may debug may do anything.
//!
//! Attempted: in a running probe of each namespace, an ephemeral container with each field and value that the standards forbid, as the
//! operator, as a dry run. Expected: admission refuses each. Control: the same container without it is admitted at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard;
use harness::verdict::Attempted;

use super::ENGINES;

/// Ephemeral containers keep the standards, too.
pub const SCENARIO: Scenario = Scenario {
    title: "ephemeral containers keep the standards, too",
    guidance: &[G(3, 3), G(3, 4), G(3, 6)],
    also: &["Pod Security Standards: baseline and restricted"],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachNamespace,
    needs: &[rights::PROBES, rights::EPHEMERAL],
    attempts: |facts| standard::attempts_in_ephemeral(facts.minor()),
    controls: |_| 1,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.standard_in_ephemeral().await?.denied_by(ENGINES).while_admitting_the_rest().await
}
