//! Which families of addresses a range's nodes, pods and Services have.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::fence::METADATA_IPV6;

/// IPv4 alone, as OKE's clusters have by default, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv4 first, and IPv6.
    Both,
}

/// Pods' addresses.
const PODS: [&str; 2] = ["10.244.0.0/16", "fd00:10:244::/56"];
/// Services' addresses.
const SERVICES: [&str; 2] = ["10.96.0.0/16", "fd00:10:96::/112"];

impl Families {
    fn of(self, both: [&str; 2]) -> String {
        match self {
            Self::Ipv4 => both[0].to_owned(),
            Self::Both => both.join(","),
        }
    }

    pub(crate) fn pods(self) -> String {
        self.of(PODS)
    }

    pub(crate) fn services(self) -> String {
        self.of(SERVICES)
    }

    /// A node's own addresses, as a kubelet is told them.
    pub(crate) fn node(self, address: Ipv4Addr) -> String {
        self.of([&address.to_string(), &node_ipv6(address).to_string()])
    }

    /// What gives a node the second family. A Service's address needs some route to be looked up before kube-proxy's rules rewrite it; there
    /// is no default route to be closed, for nobody advertises one. The metadata service answers its own link alone: whoever asks there asks
    /// in the node's link-local name.
    pub(crate) fn script(self, address: Ipv4Addr) -> String {
        match self {
            Self::Ipv4 => String::new(),
            Self::Both => format!(
                r#"ip -6 address replace {}/64 dev eth0 nodad
sysctl -q -w net.ipv6.conf.all.forwarding=1
ip -6 route replace {} dev eth0
link=$(ip -6 -o address show dev eth0 scope link | sed 's/.*inet6 \([^/]*\).*/\1/')
ip6tables -w -t nat -I POSTROUTING -d {METADATA_IPV6} -o eth0 -j SNAT --to-source "$link"
"#,
                node_ipv6(address),
                SERVICES[1]
            ),
        }
    }
}

/// An address for a node on its own network, made of that which Docker gave it.
fn node_ipv6(address: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d] = address.octets();
    Ipv6Addr::new(0xfd00, 0x10, 0, 0, 0, 0, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_family_comes_after_the_first() {
        let address = Ipv4Addr::new(172, 18, 0, 3);
        assert_eq!(Families::Ipv4.node(address), "172.18.0.3");
        assert_eq!(Families::Both.node(address), "172.18.0.3,fd00:10::ac12:3");
        assert_eq!(Families::Both.pods(), "10.244.0.0/16,fd00:10:244::/56");
        assert_eq!(Families::Ipv4.script(address), "");
    }
}
