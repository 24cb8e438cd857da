//! Whoever may create a Deployment creates pods, and the API server takes a Deployment for whatever pod it templates. It is only when the
//! controller asks for the pod that admission looks at it, and then it is the controller that asks.
//!
//! Attempted: a privileged pod by way of a Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job and CronJob, live, in
//! each namespace; the pods are gated, so that even one that is admitted never runs. Expected: no child appears, and each controller's event
//! names the guard. Control: in a namespace of the run's own, where nobody's quota is filled for it, controllers of the same kinds make the
//! pod without it; and that pod is admitted in this namespace as well.
use harness::attempt::api::controllers::kinds;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{ENGINES, privileged};

/// Controllers make no privileged pods.
pub const SCENARIO: Scenario = Scenario {
    title: "controllers make no privileged pods",
    guidance: &[G(2, 2), G(3, 4), G(3, 6)],
    also: &["Pod Security Standards: baseline"],
    severity: Severity::Critical,
    impact: Impact::Intrusive,
    scope: Scope::EachNamespace,
    needs: &[rights::CONTROLLERS, rights::NEWBORN],
    attempts: |_| {
        kinds().map(|kind| format!("{kind} that templates securityContext/privileged = true")).collect()
    },
    controls: |_| 40,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let pod = cx.plain_pod()?;
    cx.through_controllers("privileged", privileged(pod.clone())).denied_by(ENGINES).while_making(pod).await
}
