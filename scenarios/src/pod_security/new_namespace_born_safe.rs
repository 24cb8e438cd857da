//! Protection that comes by a label is missing where nobody has set the label. A namespace made this morning is open until somebody thinks of
//! it, unless the cluster has a default.
//!
//! Attempted: a privileged pod in a namespace that was just made and that nobody has labelled, as the operator, as a dry run. Expected: admission
//! refuses it all the same. Control: the pod without it is admitted there at the same moment.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{ENGINES, privileged};

/// A new namespace is safe from birth.
pub const SCENARIO: Scenario = Scenario {
    title: "a new namespace is safe from birth",
    guidance: &[G(3, 4), G(3, 6)],
    also: &[],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::Cluster,
    needs: &[rights::NEWBORN],
    attempts: |_| vec!["a namespace without labels: securityContext/privileged = true".into()],
    controls: |_| 3,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let newborn = cx.newborn_namespace().await?;
    let pod = cx.plain_pod_in(&newborn)?;
    cx.admission_into(&newborn, &privileged(pod.clone()))?.denied_by(ENGINES).while_admitting(pod).await
}
