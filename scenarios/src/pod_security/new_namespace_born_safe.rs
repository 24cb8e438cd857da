//! Protection that comes by a label is missing where nobody has set the label. A namespace made this morning is open until somebody thinks of
//! it, unless the cluster has a default.
//!
//! Attempted: whatever gives a pod its node (privileged, the host's processes, memory, network, directories) in a namespace that was just made
//! and that nobody has labelled, as the operator, as dry runs. Expected: admission refuses each all the same. Control: the pod without it is
//! admitted there at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::OWNING_THE_NODE;
use harness::verdict::Attempted;

use super::ENGINES;

/// A new namespace is safe from birth.
pub const SCENARIO: Scenario = Scenario {
    title: "a new namespace is safe from birth",
    guidance: &[G(3, 4), G(3, 6)],
    also: &[],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::Cluster,
    needs: &[rights::NEWBORN, rights::EXEMPTIONS],
    attempts: |facts| {
        let all = OWNING_THE_NODE.iter().flat_map(|control| control.attempts(facts.minor()));
        all.map(|what| format!("a namespace without labels: {what}")).collect()
    },
    controls: |_| 3,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let newborn = cx.newborn_namespace().await?;
    cx.standards_into(&newborn, &OWNING_THE_NODE)?.denied_by(ENGINES).while_admitting_the_rest().await
}
