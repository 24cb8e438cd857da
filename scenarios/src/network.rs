//! G5: traffic that nobody granted must not arrive.

/// What the probes listen on, TCP and UDP.
pub const PORT: u16 = 8080;

mod policy_cases;

scenarios! {
    network: policy_enforced, grants_hold, namespaces_isolated, default_deny_everywhere, new_pod_covered, label_change_covered,
    enforcement_latency,
}
