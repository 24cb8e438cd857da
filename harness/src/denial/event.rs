//! Events: where a controller's, the scheduler's and the kubelet's refusals are told. Whoever may write events may forge one.
use k8s_openapi::api::core::v1::Event;

use super::go_text::name;
use super::{Denial, pod, scheduler, status};

/// Controllers that create pods, as they name themselves in events.
const CONTROLLERS: [&str; 5] = [
    "daemonset-controller",
    "job-controller",
    "replicaset-controller",
    "replication-controller",
    "statefulset-controller",
];

impl Denial {
    /// Whose refusal an event tells of.
    pub fn of_event(event: &Event) -> Option<Self> {
        let component = event.source.as_ref().and_then(|source| source.component.as_deref());
        let component = component.or(event.reporting_component.as_deref()).unwrap_or_default();
        let message = event.message.as_deref().unwrap_or_default();
        let reason = match event.reason.as_deref()? {
            "FailedCreate" if CONTROLLERS.contains(&component) => {
                status::sentence(embedded(message)?, |forbidden| forbidden.resource == Some("pods"))?
            }
            // A pod may name its scheduler, and a scheduler names itself.
            "FailedScheduling" => scheduler::refusal(message)?,
            // pkg/kubelet/kuberuntime: the waiting state's message, of CreateContainerConfigError among others.
            "Failed" if component == "kubelet" => {
                pod::not_created("CreateContainerConfigError", message.strip_prefix("Error: ")?)?
            }
            reason if component == "kubelet" => {
                pod::not_created(reason, message).or_else(|| pod::not_admitted(reason, message))?
            }
            _ => return None,
        };
        Some(reason.into())
    }
}

/// What the API server answered to a controller (kubernetes, pkg/controller/controller_utils.go and statefulset/).
fn embedded(message: &str) -> Option<&str> {
    if let Some(answer) = message.strip_prefix("Error creating: ") {
        return Some(answer);
    }
    let (_pod, rest) = name(message.strip_prefix("create Pod ")?)?;
    let (_set, rest) = name(rest.strip_prefix(" in StatefulSet ")?)?;
    rest.strip_prefix(" failed error: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn of(component: &str, reason: &str, message: &str) -> Option<String> {
        let event = json!({
            "metadata": {}, "involvedObject": {}, "source": { "component": component }, "reason": reason, "message": message,
        });
        let event: Event = serde_json::from_value(event).unwrap();
        Denial::of_event(&event).map(|denial| format!("{}: {}", denial.guard, denial.reason))
    }

    #[rstest]
    #[case::deployment("replicaset-controller", "FailedCreate", r#"Error creating: pods "a-1" is forbidden: violates PodSecurity "restricted:latest": privileged (container "c" must not set securityContext.privileged=true)"#, "pod-security: the restricted standard (latest) forbids: privileged")]
    #[case::stateful_set("statefulset-controller", "FailedCreate", r#"create Pod w-0 in StatefulSet w failed error: pods "w-0" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#, "quota: quota q would be exceeded: pods 1 asked for, 1 of 1 in use")]
    #[case::scheduler(
        "default-scheduler",
        "FailedScheduling",
        "0/1 nodes are available: 1 Insufficient cpu.",
        "scheduler: no node is fit: 1 Insufficient cpu"
    )]
    #[case::non_root(
        "kubelet",
        "Failed",
        r#"Error: container has runAsNonRoot and image will run as root (pod: "p", container: a)"#,
        "kubelet: the kubelet refuses the pod: CreateContainerConfigError: container has runAsNonRoot and image will run as root (pod: \"p\", container: a)"
    )]
    #[case::image(
        "kubelet",
        "ErrImageNeverPull",
        r#"Container image "i" is not present with pull policy of Never"#,
        "kubelet: the kubelet refuses the pod: ErrImageNeverPull: Container image \"i\" is not present with pull policy of Never"
    )]
    #[case::affinity(
        "kubelet",
        "NodeAffinity",
        "Predicate NodeAffinity failed",
        "kubelet: the kubelet refuses the pod: NodeAffinity: Predicate NodeAffinity failed"
    )]
    fn somebody_refused(#[case] component: &str, #[case] reason: &str, #[case] message: &str, #[case] expected: &str) {
        assert_eq!(of(component, reason, message).as_deref(), Some(expected));
    }

    #[rstest]
    #[case::somebody_else(
        "tenant",
        "FailedCreate",
        r#"Error creating: pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#
    )]
    #[case::down(
        "replicaset-controller",
        "FailedCreate",
        r#"Error creating: Internal error occurred: failed calling webhook "v.example": no endpoints"#
    )]
    #[case::other_words(
        "replicaset-controller",
        "FailedCreate",
        r#"see pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#
    )]
    #[case::missing("kubelet", "Failed", r#"Error: configmap "x" not found"#)]
    #[case::pull("kubelet", "Failed", r#"Failed to pull image "container has runAsNonRoot and image ""#)]
    #[case::started("kubelet", "Started", "container has runAsNonRoot and image ")]
    #[case::no_reason("kubelet", "", "")]
    fn nobody_that_is_known(#[case] component: &str, #[case] reason: &str, #[case] message: &str) {
        assert_eq!(of(component, reason, message), None);
    }
}
