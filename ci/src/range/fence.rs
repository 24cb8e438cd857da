//! What keeps a range's traffic inside the range, leads to its metadata service, and keeps the outside away from the nodes.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context, Result};

use super::docker::exec;
use super::families::Families;
use super::layout::Node;

/// Where the metadata service answers: for itself, and for what else OCI has at link-local addresses, namely the boot volume's and block
/// volumes' iSCSI targets (docs: Compute, "Best Practices for Your Compute Instance") and the kernel's source ("Updating the Linux OS Kernel").
pub(crate) const LINK_LOCAL: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 0, 2),
    Ipv4Addr::new(169, 254, 2, 2),
    Ipv4Addr::new(169, 254, 0, 3),
];

/// What stands for everything outside the cluster: an address that is nobody's (RFC 5737), on the same container's loopback.
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The metadata service's IPv6 address (OCI's SDKs: instance principals' signers). The nodes reach it; pods have no IPv6, or no way back from there.
pub(crate) const METADATA_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe);

/// The ports that it answers on at each of them: HTTP, and iSCSI's as far as accepting a connection goes.
pub(crate) const LINK_LOCAL_PORTS: [u16; 2] = [80, 3260];

/// The order is the safety rule: nothing link-local may leave the machine, not even for the moment in which the route to
/// the service is not there yet. The default route goes as well: what is not on the range's own network is nowhere. (An
/// unreachable one in its place would say the same, but kubeadm takes its device, `*`, for an interface.) A service's
/// address needs some route to be looked up before kube-proxy's rules rewrite it; one that they do not know ends at the
/// range's own bridge.
///
/// Last what a worker subnet's security list does where nobody opens it: what comes from outside, which is this machine, gets to no node
/// port. Before all of kube-proxy's rules, for those rewrite where it goes.
fn script(metadata: Ipv4Addr, outside: Ipv4Addr, second: &str) -> String {
    let services = Families::Ipv4.services();
    let there = LINK_LOCAL.iter().chain([&OUTSIDE]);
    let routes: String = there.map(|address| format!("ip route replace {address}/32 via {metadata}\n")).collect();
    format!(
        "set -e
ip route replace unreachable 169.254.0.0/16
{routes}sysctl -q -w net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.eth0.accept_ra=0
sysctl -q -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
ip -6 route replace unreachable fd00:c1::/64
ip -6 route replace {METADATA_IPV6}/128 dev eth0
while ip route del default 2>/dev/null; do :; done
ip route replace {services} dev eth0
{second}for protocol in tcp udp; do
  iptables -w -t raw -A PREROUTING -s {outside} -p $protocol --dport 30000:32767 -j DROP
done
"
    )
}

/// Closes a node's routes, by which its pods are routed too, and its ports to `outside`.
///
/// # Errors
/// When the node does not accept a route.
pub(crate) async fn close(node: &Node, metadata: Ipv4Addr, outside: Ipv4Addr, families: Families) -> Result<()> {
    let script = script(metadata, outside, &families.script(node.address));
    exec(&node.name, &["sh"], script.as_bytes(), Duration::from_secs(10))
        .await
        .map(drop)
        .with_context(|| format!("node {} cannot be cut off from the outside", node.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_is_closed_before_the_metadata_route_opens() {
        let script = script(Ipv4Addr::new(172, 18, 0, 5), Ipv4Addr::new(172, 18, 0, 1), "");
        let closed = script.find("unreachable 169.254.0.0/16").unwrap();
        for address in LINK_LOCAL {
            let opened = script.find(&format!("{address}/32 via 172.18.0.5\n")).unwrap();
            assert!(closed < opened);
        }
    }
}
