//! A tag is a name that can be moved: what was reviewed yesterday need not be what a node pulls tonight. A sha256 digest names the
//! content itself.
//!
//! Attempted: an image named by a tag that it has, at every door of a pod: in a container, an init container and one that goes on beside the
//! others, when the pod is made; in a pod that runs, by changing its image; in a debug container. As the one who deploys in each namespace,
//! and for debug containers as the operator, as dry runs. Expected: an admission policy refuses each; one that asks a registry and finds no such
//! image has not. Control: the same image by digest is admitted at each door.
use harness::attempt::api::images::doors;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::Guard::{AdmissionPolicy, Plugin, Webhook};
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

/// Images by tag are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "images named by tag are refused",
    guidance: &[G(6, 1)],
    also: &["CIS OKE 5.1.4"],
    severity: Severity::Medium,
    impact: Impact::Probe,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::EXEMPTIONS, rights::PROBES, rights::EPHEMERAL],
    attempts: |facts| doors(facts.minor()).into_iter().map(|door| format!("{door}: image by tag")).collect(),
    controls: |_| 6,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.images_by_tag().denied_by(&[AdmissionPolicy, Webhook, Plugin]).while_admitting_digests().await
}
