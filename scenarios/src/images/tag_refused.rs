//! A tag is a name that can be moved: what was reviewed yesterday need not be what a node pulls tonight. A sha256 digest names the
//! content itself.
//!
//! Attempted: a pod whose image is named by tag, differing from an admitted one in nothing else, in each namespace, as the one who
//! deploys there. Expected: an admission policy refuses it. Control: the same image by digest is admitted.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::Guard::{AdmissionPolicy, Webhook};
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::{Attempted, NoVerdict};
use k8s_openapi::api::core::v1::Pod;

/// Images by tag are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "images named by tag are refused",
    guidance: &[G(6, 1)],
    also: &["CIS OKE 5.1.4"],
    severity: Severity::Medium,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER, rights::PODS],
    attempts: |_| vec!["container: image by tag".into()],
    controls: |_| 2,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let by_digest = cx.plain_pod()?;
    let by_tag = tagged(by_digest.clone()).ok_or_else(|| NoVerdict::inconclusive("the probes' image is not named by digest: name one that is with --agent-image"))?;
    cx.admission(by_tag).await?.denied_by(&[AdmissionPolicy, Webhook]).while_admitting(by_digest).await
}

/// The same repository by tag; the tag need not exist, for a dry run pulls nothing.
fn tagged(mut pod: Pod) -> Option<Pod> {
    for container in pod.spec.iter_mut().flat_map(|spec| &mut spec.containers) {
        let (repository, _) = container.image.as_deref()?.split_once('@')?;
        container.image = Some(format!("{repository}:v1"));
    }
    Some(pod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("r.example/a/b@sha256:00", Some("r.example/a/b:v1"))]
    #[case("r.example/a/b:v2", None)]
    fn the_repository_stays(#[case] image: &str, #[case] expected: Option<&str>) {
        let pod: Pod = serde_json::from_value(serde_json::json!({ "spec": { "containers": [{ "name": "a", "image": image }] } })).unwrap();
        let tagged = tagged(pod).map(|pod| pod.spec.unwrap().containers[0].image.clone().unwrap());
        assert_eq!(tagged.as_deref(), expected);
    }
}
