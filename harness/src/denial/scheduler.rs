//! The scheduler's account of the nodes: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable. ...`.
use super::Reason;

/// What rules a node out for this pod. Missing claims, unbound volumes and unknown conditions are trouble, not a refusal.
const REFUSALS: [&str; 12] = [
    "node(s) didn't match Pod's node affinity/selector",
    "node(s) didn't match node selector",
    "node(s) didn't match the requested node name",
    "node(s) didn't match pod affinity rules",
    "node(s) didn't match pod anti-affinity rules",
    "node(s) didn't satisfy existing pods anti-affinity rules",
    "node(s) didn't match pod topology spread constraints",
    "node(s) didn't have free ports for the requested pod ports",
    "node(s) were unschedulable",
    "node(s) had untolerated taint(s)",
    "node(s) exceed max volume count",
    "Too many pods",
];

/// kubernetes, pkg/scheduler/framework/types.go; plug-ins' own words in its plugins/*.
pub fn refusal(message: &str) -> Option<Reason> {
    let (nodes, rest) = message.strip_prefix("0/")?.split_once(" nodes are available: ")?;
    nodes.parse::<u32>().ok()?;
    // What follows is about preemption.
    let reasons = rest.split_once(". ").map_or(rest.strip_suffix('.').unwrap_or(rest), |(reasons, _)| reasons);
    let mut counted = 0;
    for reason in reasons.split(", ") {
        // Old releases have a comma in one of them.
        if reason == "that the pod didn't tolerate" && counted > 0 {
            continue;
        }
        let (nodes, reason) = reason.split_once(' ')?;
        nodes.parse::<u32>().ok()?;
        refused(reason).then_some(())?;
        counted += 1;
    }
    Some(Reason::Scheduler { reason: reasons.into() })
}

fn refused(reason: &str) -> bool {
    let taint =
        ["node(s) had untolerated taint {", "node(s) had taint {"].iter().find_map(|it| reason.strip_prefix(it));
    match taint {
        // The cluster's own taints tell of a node in trouble; cordoning is somebody's decision.
        Some(taint) => {
            !taint.starts_with("node.kubernetes.io/") || taint.starts_with("node.kubernetes.io/unschedulable:")
        }
        None => REFUSALS.contains(&reason) || reason.strip_prefix("Insufficient ").is_some_and(|it| !it.contains(' ')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::taints(
        "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 node(s) had untolerated taint {a: b}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
        Some("1 node(s) didn't match Pod's node affinity/selector, 2 node(s) had untolerated taint {a: b}")
    )]
    #[case::old_taints(
        "0/1 nodes are available: 1 node(s) had taint {a: }, that the pod didn't tolerate.",
        Some("1 node(s) had taint {a: }, that the pod didn't tolerate")
    )]
    #[case::room("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", Some("1 Insufficient nvidia.com/gpu"))]
    #[case::no_claim(r#"0/3 nodes are available: persistentvolumeclaim "x" not found. preemption: 0/3 ..."#, None)]
    #[case::unbound("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", None)]
    #[case::node_in_trouble(
        "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
        None
    )]
    #[case::cordoned(
        "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unschedulable: }.",
        Some("1 node(s) had untolerated taint {node.kubernetes.io/unschedulable: }")
    )]
    #[case::no_nodes("no nodes available to schedule pods", None)]
    #[case::empty("", None)]
    fn why_no_node_is_fit(#[case] message: &str, #[case] expected: Option<&str>) {
        assert_eq!(refusal(message), expected.map(|reason| Reason::Scheduler { reason: reason.into() }));
    }
}
