//! Whoever reviews a Deployment looks at its template, and whoever exempts the controllers of the cluster from a policy exempts every pod
//! that they make.
//!
//! Attempted: an image named by a tag that it has, by way of a Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job and
//! CronJob, live, in each namespace; the pods are gated, so that even one that is admitted never runs. Expected: no child appears, and each
//! controller, or its event, names the guard. Control: in a namespace of the run's own, controllers of the same kinds make the pod with the
//! same image by digest; and that pod is admitted in this namespace as well.
use harness::attempt::api::controllers::kinds;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::Guard::{AdmissionPolicy, Plugin, Webhook};
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// Controllers make no pods of images by tag.
pub const SCENARIO: Scenario = Scenario {
    title: "controllers make no pods of images named by tag",
    guidance: &[G(6, 1), G(2, 2)],
    also: &["CIS OKE 5.1.4"],
    severity: Severity::Medium,
    impact: Impact::Intrusive,
    scope: Scope::EachNamespace,
    needs: &[rights::CONTROLLERS, rights::NEWBORN],
    attempts: |_| kinds().map(|kind| format!("{kind} that templates an image by tag")).collect(),
    controls: |_| 40,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let controllers = cx.tags_through_controllers()?.denied_by(&[AdmissionPolicy, Webhook, Plugin]);
    controllers.while_making(cx.plain_pod()?).await
}
