//! `NO_PROXY` as kubectl reads it (Go's `httpproxy`): other readers know no ports, or take `.example` for `example` as well.
use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;

/// Whether `server` is reached without the environment's proxy: loopback always is, else what `list` names is.
pub(super) fn exempts(list: &str, server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let default_port = if server.scheme_str() == Some("http") { 80 } else { 443 };
    let port = server.port_u16().unwrap_or(default_port).to_string();
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    let loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    loopback || list.split(',').any(|entry| names(&entry.trim().to_ascii_lowercase(), &host, address, &port))
}

fn names(entry: &str, host: &str, address: Option<IpAddr>, port: &str) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| network.contains(&address));
    }
    let (name, of_port) = host_and_port(entry);
    if !of_port.is_empty() && of_port != port {
        return false;
    }
    if let Ok(named) = name.parse::<IpAddr>() {
        return address == Some(named.to_canonical());
    }
    if name.is_empty() || address.is_some() {
        return false;
    }
    let name = if name.starts_with("*.") { &name[1..] } else { name };
    // `.example` names what is below it and not itself.
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host.strip_suffix(name).is_some_and(|below| below.is_empty() || below.ends_with('.')),
    }
}

/// An entry's host, and its port where it has one.
fn host_and_port(entry: &str) -> (&str, &str) {
    let bracketed = entry.strip_prefix('[').and_then(|entry| entry.split_once("]:"));
    // An IPv6 address without brackets has no port.
    let plain = || entry.split_once(':').filter(|(_, port)| !port.contains(':'));
    bracketed.or_else(plain).unwrap_or((entry, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// As Go's own tests of `httpproxy` have it, where they say something of such a server.
    #[rstest]
    #[case::nothing("", "https://api.example", false)]
    #[case::everything("*", "https://api.example", true)]
    #[case::everything_among_others("a, *", "https://[fd00::1]", true)]
    #[case::loopback("", "https://127.0.0.1:6443", true)]
    #[case::loopback_elsewhere("", "https://127.8.9.1:6443", true)]
    #[case::loopback_of_ipv6("", "https://[::1]:6443", true)]
    #[case::loopback_mapped("", "https://[::ffff:127.0.0.1]", true)]
    #[case::localhost("", "https://localhost:6443", true)]
    #[case::below_localhost("", "https://api.localhost:6443", false)]
    #[case::its_name("api.example", "https://api.example:6443", true)]
    #[case::its_domain("example", "https://api.example", true)]
    #[case::the_end_of_a_word("ample", "https://api.example", false)]
    #[case::a_longer_name("my.api.example", "https://api.example", false)]
    #[case::capitals("API.Example", "https://api.example", true)]
    #[case::below_a_domain(".example", "https://api.example", true)]
    #[case::not_the_domain_itself(".api.example", "https://api.example", false)]
    #[case::a_star_below("*.example", "https://api.example", true)]
    #[case::a_star_and_the_domain_itself("*.api.example", "https://api.example", false)]
    #[case::a_star_in_a_name("a*.example", "https://api.example", false)]
    #[case::spaces_and_gaps(" , a ,, api.example ", "https://api.example", true)]
    #[case::its_port("api.example:6443", "https://api.example:6443", true)]
    #[case::another_port("api.example:6443", "https://api.example", false)]
    #[case::the_usual_port("api.example:443", "https://api.example", true)]
    #[case::the_usual_port_without_tls("api.example:80", "http://api.example", true)]
    #[case::a_port_of_a_domain(".example:6443", "https://api.example:6443", true)]
    #[case::a_port_alone(":6443", "https://api.example:6443", false)]
    #[case::no_port("api.example:", "https://api.example", true)]
    #[case::an_address("10.0.0.1", "https://10.0.0.1:6443", true)]
    #[case::another_address("10.0.0.1", "https://10.0.0.10", false)]
    #[case::a_part_of_an_address("0.0.1", "https://10.0.0.1", false)]
    #[case::an_address_with_port("10.0.0.1:6443", "https://10.0.0.1:6443", true)]
    #[case::an_address_with_another_port("10.0.0.1:443", "https://10.0.0.1:6443", false)]
    #[case::ipv6("fd00::1", "https://[fd00::1]:6443", true)]
    #[case::ipv6_in_another_spelling("FD00:0::1", "https://[fd00::1]:6443", true)]
    #[case::ipv6_with_port("[fd00::1]:6443", "https://[fd00::1]:6443", true)]
    #[case::ipv6_with_another_port("[fd00::1]:443", "https://[fd00::1]:6443", false)]
    #[case::a_network("10.0.0.0/8", "https://10.9.0.1:6443", true)]
    #[case::a_network_by_one_of_it("10.0.0.7/8", "https://10.9.0.1:6443", true)]
    #[case::another_network("10.0.0.0/16", "https://10.9.0.1:6443", false)]
    #[case::a_network_of_ipv6("fd00::/8", "https://[fd00::1]:6443", true)]
    #[case::no_network("10.0.0.0/33", "https://10.0.0.1:6443", false)]
    #[case::names_are_not_looked_up("10.0.0.0/8", "https://api.example", false)]
    fn as_go_has_it(#[case] list: &str, #[case] server: &str, #[case] expected: bool) {
        assert_eq!(exempts(list, &server.parse().unwrap()), expected);
    }
}
