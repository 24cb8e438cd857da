//! A PodSecurityPolicy enforces nothing by itself: the admission plug-in of that name does, where it is switched on. OKE leaves its policy
//! `oke-privileged` behind when its flag is switched off, and what looks like protection is then an object and no more.
//!
//! Attempted: a pod that claims, in the annotation that the plug-in writes, to be admitted under a policy that does not exist, in each
//! namespace, as the one who deploys there. Expected: the plug-in judges the pod itself and names the policy that admits it. Control: the pod
//! without the claim is admitted at the same moment. Where the claim stays as it is and a privileged pod is admitted too, nothing is
//! enforced, with policies or without; where another guard refuses that pod, the answer names it.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::psp;

/// Pod security policies are enforced by their plug-in.
pub const SCENARIO: Scenario = Scenario {
    title: "pod security policies are enforced by their plug-in",
    guidance: &[G(3, 6)],
    also: &[],
    severity: Severity::Critical,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::POD_SECURITY_POLICIES, rights::AS_DEPLOYER, rights::PODS],
    attempts: |facts| {
        let claim = "pod: metadata/annotations/kubernetes.io~1psp = a policy that does not exist".into();
        if psp::known(facts) { vec![claim] } else { Vec::new() }
    },
    controls: |_| 4,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    cx.pod_security_policies().await?.acts().await
}
