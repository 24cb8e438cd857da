//! Below Kubernetes 1.25, PodSecurityPolicies say what a pod may have of its node, and the plug-in PodSecurityPolicy holds every pod to one
//! that its author, or the account it runs as, may use. Whoever may use a permissive one has the node.
//!
//! Attempted: privileged pods, the host's namespaces, ports and directories, user 0, each a pod that differs from an admitted one in that
//! alone, and the same in a pod that says nothing else of its security, in each namespace, as the one who deploys there. Expected: PodSecurityPolicy refuses each. Control: the pod without it is admitted
//! at the same moment, and its answer names the policy. From 1.25 on the question does not arise, and the answer names what took over.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::{
    Control, HOST_IPC, HOST_NETWORK, HOST_PATH, HOST_PID, HOST_PORTS, PRIVILEGED, RUN_AS_USER_ZERO,
};
use harness::verdict::Attempted;

use super::psp;

/// Pod security policies hold whoever deploys.
pub const SCENARIO: Scenario = Scenario {
    title: "pod security policies hold whoever deploys",
    guidance: &[G(3, 1), G(3, 2), G(3, 3), G(3, 4), G(3, 6)],
    also: &[],
    severity: Severity::Critical,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::POD_SECURITY_POLICIES, rights::AS_DEPLOYER, rights::PODS],
    attempts: |facts| psp::attempts(facts, FORBIDDEN),
    controls: |_| 3,
    pods: 0,
    run: run!(attempt),
};

const FORBIDDEN: &[&Control] =
    &[&PRIVILEGED, &HOST_PID, &HOST_IPC, &HOST_NETWORK, &HOST_PORTS, &HOST_PATH, &RUN_AS_USER_ZERO];

async fn attempt(cx: &Cx) -> Attempted {
    cx.pod_security_policies().await?.enforced(FORBIDDEN).await
}
