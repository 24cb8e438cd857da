//! G4.4-G4.6: pods must not take the node's identity.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use harness::probe::batch::Verb;

/// The instance metadata service's address on every OCI instance (docs: Compute, "Instance Metadata").
pub const ENDPOINT: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

/// ... and its IPv6 address (OCI's SDKs: instance principals' signers).
pub const ENDPOINT_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe));

/// What it is called in evidence.
const NAME: &str = "the metadata service";

/// Version 2 answers nobody without it.
const AUTHORIZED: &[&str] = &["Authorization:Bearer Oracle"];

/// A connection, and no more.
const CONNECT: Verb = Verb::Tcp { to: ENDPOINT, port: 80 };

/// A request to the endpoint with version 2's header.
const fn get(path: &'static str) -> Verb {
    Verb::Http { to: ENDPOINT, port: 80, path, headers: AUTHORIZED }
}

/// ... whose answer stays in the pod.
const fn hold(path: &'static str) -> Verb {
    Verb::Digest { to: ENDPOINT, port: 80, path, headers: AUTHORIZED }
}

/// The instance document.
const DOCUMENT: Verb = get("/opc/v2/instance/");

scenarios! {
    metadata: endpoint_unreachable, identity_unreadable, legacy_endpoint_off, bootstrap_data_unreadable, ipv6_unreachable, link_local_closed,
        resolver_still_works, host_network_refused, startup_window, proxy_refused,
}
