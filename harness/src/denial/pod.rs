//! A pod that was accepted and is kept from running, by its own account.
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

use super::{Denial, Reason, scheduler};

/// What the kubelet says of a pod that it does not admit (kubernetes, pkg/kubelet/lifecycle, cm, sysctl). `NodeShutdown`,
/// `NodeLost` and `DeadlineExceeded` are about the node or the time.
const NOT_ADMITTED: [&str; 9] = [
    "AppArmor",
    "NodeAffinity",
    "NodeName",
    "NodePorts",
    "PodOSNotSupported",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "SysctlForbidden",
    "TopologyAffinityError",
    "UnexpectedAdmissionError",
];

/// pkg/kubelet/kuberuntime/security_context_others.go; the same error names maps and secrets that are missing.
const NON_ROOT: [&str; 2] = ["container has runAsNonRoot and image ", "container's runAsUser breaks non-root policy "];

/// pkg/kubelet/eviction/helpers.go: the pod's own limits, as opposed to a node that runs low.
const OWN_LIMIT: [&str; 3] = [
    "Container ",
    "Pod ephemeral local storage usage exceeds the total limit of containers ",
    "Usage of EmptyDir volume \"",
];

impl Denial {
    /// Who keeps a pod from running, by its conditions and its containers' states.
    pub fn of_pod(pod: &Pod) -> Option<Self> {
        let status = pod.status.as_ref()?;
        let refused = failed(status).or_else(|| containers(status).find_map(container)).or_else(|| unscheduled(status));
        refused.map(Self::from)
    }
}

fn failed(status: &PodStatus) -> Option<Reason> {
    (status.phase.as_deref() == Some("Failed")).then_some(())?;
    not_admitted(status.reason.as_deref()?, status.message.as_deref().unwrap_or_default())
}

/// The kubelet's verdict on a whole pod, where `reason` is one.
pub fn not_admitted(reason: &str, message: &str) -> Option<Reason> {
    let refused = match reason {
        "Evicted" => OWN_LIMIT.iter().any(|words| message.starts_with(words)) && message.contains(" exceed"),
        // `OutOfcpu`, `OutOfpods`, `OutOfnvidia.com/gpu`.
        reason => NOT_ADMITTED.contains(&reason) || reason.strip_prefix("OutOf").is_some_and(|it| !it.is_empty()),
    };
    refused.then(|| Reason::Kubelet { reason: reason.into(), message: message.trim_end().into() })
}

/// The kubelet's verdict on a container that it does not create.
pub fn not_created(reason: &str, message: &str) -> Option<Reason> {
    let refused = match reason {
        "CreateContainerConfigError" => NON_ROOT.iter().any(|words| message.starts_with(words)),
        "ErrImageNeverPull" => true,
        _ => false,
    };
    refused.then(|| Reason::Kubelet { reason: reason.into(), message: message.into() })
}

fn containers(status: &PodStatus) -> impl Iterator<Item = &ContainerStatus> {
    let kinds = [&status.init_container_statuses, &status.container_statuses, &status.ephemeral_container_statuses];
    kinds.into_iter().flatten().flatten()
}

fn container(status: &ContainerStatus) -> Option<Reason> {
    let states = [&status.state, &status.last_state];
    states.into_iter().flatten().find_map(|state| {
        if let Some(waiting) = &state.waiting {
            return not_created(waiting.reason.as_deref()?, waiting.message.as_deref().unwrap_or_default());
        }
        let ended = state.terminated.as_ref()?;
        if ended.reason.as_deref() == Some("OOMKilled") {
            return Some(Reason::KernelSignal { signal: "SIGKILL".into(), because: "OOMKilled".into() });
        }
        // The exit code is the program's own to choose.
        Some(Denial::of_signal(ended.signal?)?.reason)
    })
}

fn unscheduled(status: &PodStatus) -> Option<Reason> {
    let condition = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled")?;
    let unschedulable = condition.status == "False" && condition.reason.as_deref() == Some("Unschedulable");
    unschedulable.then(|| scheduler::refusal(condition.message.as_deref()?))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn of(status: &str) -> Option<String> {
        let pod: Pod = serde_json::from_str(&format!(r#"{{"metadata":{{}},"status":{status}}}"#)).unwrap();
        Denial::of_pod(&pod).map(|denial| format!("{}: {}", denial.guard, denial.reason))
    }

    fn with_container(state: &str) -> String {
        format!(
            r#"{{"phase":"Pending","containerStatuses":[{{"name":"a","image":"i","imageID":"","ready":false,"restartCount":0,"state":{state}}}]}}"#
        )
    }

    #[rstest]
    #[case::root(r#"{"waiting":{"reason":"CreateContainerConfigError","message":"container has runAsNonRoot and image will run as root (pod: \"p_a(u)\", container: a)"}}"#, "kubelet: the kubelet refuses the pod: CreateContainerConfigError: container has runAsNonRoot and image will run as root (pod: \"p_a(u)\", container: a)")]
    #[case::image(r#"{"waiting":{"reason":"ErrImageNeverPull","message":"Container image \"i\" is not present with pull policy of Never"}}"#, "kubelet: the kubelet refuses the pod: ErrImageNeverPull: Container image \"i\" is not present with pull policy of Never")]
    #[case::memory(
        r#"{"terminated":{"exitCode":137,"reason":"OOMKilled"}}"#,
        "kernel: the kernel ended the process: SIGKILL (OOMKilled)"
    )]
    #[case::seccomp(
        r#"{"terminated":{"exitCode":159,"signal":31,"reason":"Error"}}"#,
        "kernel: the kernel ended the process: SIGSYS (seccomp)"
    )]
    fn containers_that_are_kept_from_running(#[case] state: &str, #[case] expected: &str) {
        assert_eq!(of(&with_container(state)).as_deref(), Some(expected));
    }

    #[rstest]
    #[case::no_map(r#"{"waiting":{"reason":"CreateContainerConfigError","message":"configmap \"container has runAsNonRoot and image \" not found"}}"#)]
    #[case::no_image(
        r#"{"waiting":{"reason":"ErrImagePull","message":"denied: container has runAsNonRoot and image "}}"#
    )]
    #[case::crash(r#"{"waiting":{"reason":"CrashLoopBackOff","message":"back-off"}}"#)]
    #[case::program_says_159(r#"{"terminated":{"exitCode":159,"reason":"Error"}}"#)]
    #[case::killed(r#"{"terminated":{"exitCode":137,"reason":"Error"}}"#)]
    #[case::program_says_oom(r#"{"terminated":{"exitCode":1,"reason":"Error","message":"OOMKilled"}}"#)]
    #[case::runs(r#"{"running":{}}"#)]
    fn containers_that_fail_otherwise(#[case] state: &str) {
        assert_eq!(of(&with_container(state)), None);
    }

    #[rstest]
    #[case::affinity(
        r#"{"phase":"Failed","reason":"NodeAffinity","message":"Pod was rejected: Predicate NodeAffinity failed"}"#,
        Some("kubelet: the kubelet refuses the pod: NodeAffinity: Pod was rejected: Predicate NodeAffinity failed")
    )]
    #[case::sysctl(r#"{"phase":"Failed","reason":"SysctlForbidden","message":"forbidden sysctl: \"kernel.msgmax\" not allowlisted"}"#, Some("kubelet: the kubelet refuses the pod: SysctlForbidden: forbidden sysctl: \"kernel.msgmax\" not allowlisted"))]
    #[case::no_room(
        r#"{"phase":"Failed","reason":"OutOfcpu","message":""}"#,
        Some("kubelet: the kubelet refuses the pod: OutOfcpu")
    )]
    #[case::own_limit(r#"{"phase":"Failed","reason":"Evicted","message":"Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "}"#, Some("kubelet: the kubelet refuses the pod: Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 10Mi."))]
    #[case::node_low(r#"{"phase":"Failed","reason":"Evicted","message":"The node was low on resource: memory. Container a was using 1Gi, request is 0, has larger consumption of memory. "}"#, None)]
    #[case::too_late(r#"{"phase":"Failed","reason":"DeadlineExceeded","message":"Pod was active on the node longer than the specified deadline"}"#, None)]
    #[case::shutdown(
        r#"{"phase":"Failed","reason":"NodeShutdown","message":"Pod was rejected as the node is shutting down."}"#,
        None
    )]
    #[case::runs_on(r#"{"phase":"Running","reason":"NodeAffinity"}"#, None)]
    #[case::unschedulable(r#"{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/1 nodes are available: 1 Insufficient cpu."}]}"#, Some("scheduler: no node is fit: 1 Insufficient cpu"))]
    #[case::gated(r#"{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated","message":"0/1 nodes are available: 1 Insufficient cpu."}]}"#, None)]
    #[case::new("{}", None)]
    fn pods_as_a_whole(#[case] status: &str, #[case] expected: Option<&str>) {
        assert_eq!(of(status).as_deref(), expected);
    }
}
