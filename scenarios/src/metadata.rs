//! G4.4-G4.6: pods must not take the node's identity.
use std::net::{IpAddr, Ipv4Addr};

/// The instance metadata service's address on every OCI instance (docs: Compute, "Instance Metadata").
pub const ENDPOINT: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

scenarios! { metadata: endpoint_unreachable }
