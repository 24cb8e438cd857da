//! A privileged container owns its node: it sees every device, may load kernel modules and reads what any other pod keeps there.
//! From one node it takes the kubelet's credential, and with it a part of the cluster.
//!
//! Attempted: a pod that differs from an admitted one in `securityContext.privileged: true` alone, in each namespace, as the one who
//! deploys there. Expected: admission refuses it, by Pod Security, a ValidatingAdmissionPolicy or a policy engine's webhook.
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::Guard::{AdmissionPolicy, PodSecurity, Psp, Webhook};
use harness::scenario::{G, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;
use k8s_openapi::api::core::v1::{Pod, SecurityContext};

/// Privileged containers are refused.
pub const SCENARIO: Scenario = Scenario {
    title: "privileged containers are refused",
    guidance: &[G(3, 4), G(3, 6)],
    also: &["CIS OKE 4.2.1", "Pod Security Standards: baseline"],
    severity: Severity::Critical,
    impact: Impact::DryRun,
    scope: Scope::EachNamespace,
    needs: &[rights::AS_DEPLOYER],
    requests: 3,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    let pod = cx.plain_pod()?;
    cx.admission(privileged(pod.clone())).await?.denied_by(&[PodSecurity, AdmissionPolicy, Webhook, Psp]).while_admitting(pod).await
}

fn privileged(mut pod: Pod) -> Pod {
    for container in pod.spec.iter_mut().flat_map(|spec| &mut spec.containers) {
        let context = container.security_context.get_or_insert_with(SecurityContext::default);
        context.privileged = Some(true);
        // The API server itself refuses the two together: a bad argument, and no guard's work.
        context.allow_privilege_escalation = None;
    }
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_attribute_differs() {
        let plain: Pod = serde_json::from_value(serde_json::json!({ "spec": { "containers": [{
            "name": "a", "securityContext": { "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false },
        }] } }))
        .unwrap();
        let pod = serde_json::to_value(privileged(plain)).unwrap();
        assert_eq!(pod["spec"]["containers"][0]["securityContext"], serde_json::json!({ "readOnlyRootFilesystem": true, "privileged": true }));
    }
}
