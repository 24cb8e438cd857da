//! A PodSecurityPolicy helps whoever may `use` it, by RBAC. A permissive one that is granted to `system:authenticated`, or to all service
//! accounts, is everybody's, and every stricter one is then decoration.
//!
//! Attempted: privileged pods, the host's process namespace, network and directories in each namespace, by the run's own credential, which
//! may create pods and was granted no policy. Expected: PodSecurityPolicy refuses each, and where nobody is granted anything, the plain pod
//! too. Control: the plain pod is admitted at the same moment for the account that deploys there and may use a policy. A credential that may
//! use more than the namespace's default account may (a cluster's administrator) shows nothing: inconclusive.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::standard::{Control, HOST_NETWORK, HOST_PATH, HOST_PID, PRIVILEGED};
use harness::verdict::Attempted;

use super::psp;

/// Permissive pod security policies are not everybody's.
pub const SCENARIO: Scenario = Scenario {
    title: "permissive pod security policies are not everybody's",
    guidance: &[G(3, 5)],
    also: &[],
    severity: Severity::Critical,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::POD_SECURITY_POLICIES, rights::AS_DEPLOYER, rights::AS_DEFAULT_ACCOUNT, rights::PODS],
    attempts: |facts| psp::attempts(facts, PERMISSIVE),
    // Where one is admitted, whether others may have it as well.
    controls: |facts| 5 + psp::attempts(facts, PERMISSIVE).len(),
    pods: 0,
    run: run!(attempt),
};

const PERMISSIVE: &[&Control] = &[&PRIVILEGED, &HOST_PID, &HOST_NETWORK, &HOST_PATH];

async fn attempt(cx: &Cx) -> Attempted {
    cx.pod_security_policies().await?.use_authorised(PERMISSIVE).await
}
