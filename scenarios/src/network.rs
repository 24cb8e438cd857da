//! G5: traffic that nobody granted must not arrive.

/// What the probes listen on, TCP and UDP.
pub const PORT: u16 = 8080;

mod policy_cases;

scenarios! { network: grants_hold, namespaces_isolated }
