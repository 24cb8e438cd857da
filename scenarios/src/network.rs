//! G5: traffic that nobody granted must not arrive.

/// What the probes listen on, TCP and UDP.
pub const PORT: u16 = 8080;

scenarios! { network: namespaces_isolated }
