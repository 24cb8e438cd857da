//! Taking the metadata service's addresses.
use std::net::IpAddr;

use anyhow::{Context, bail};
use rtnetlink::packet_route::address::AddressHeaderFlags;

/// The loopback interface's index: the kernel gives it to `lo` in every network namespace.
const LOOPBACK_INDEX: u32 = 1;

/// Where the kernel says what index the container's network interface has.
const INTERFACE: &str = "/sys/class/net/eth0/ifindex";

/// Adds each address unless it is a loopback address, which is there already: IPv4 ones to `lo`, to which others have a route through this
/// container; IPv6 ones to its network interface where it has one, for neighbours ask for them, and one answers only for what is there.
///
/// # Errors
/// When an address cannot be added (without `CAP_NET_ADMIN`, or IPv6 where it is switched off), and outside a container:
/// taking 169.254.169.254 on a cloud machine would cut that machine off from its own metadata service.
pub async fn take(addresses: &[IpAddr]) -> anyhow::Result<()> {
    let addresses: Vec<_> = addresses.iter().filter(|address| !address.is_loopback()).collect();
    let Some(first) = addresses.first() else {
        return Ok(());
    };
    if std::process::id() != 1 {
        bail!("{first} is only taken in a container of one's own, as its first process; here use --address 127.0.0.1");
    }
    let (connection, handle, _) = rtnetlink::new_connection().context("cannot reach the kernel's routing socket")?;
    tokio::spawn(connection);
    for address in addresses {
        let (index, prefix, needs) = if address.is_ipv4() {
            (LOOPBACK_INDEX, 32, "NET_ADMIN")
        } else {
            (network_interface()?.unwrap_or(LOOPBACK_INDEX), 128, "NET_ADMIN, and IPv6 switched on")
        };
        // `replace`: an address that is there already is as good.
        let mut request = handle.address().add(index, *address, prefix).replace();
        // Without it, an IPv6 address cannot be listened on until the kernel has made sure that nobody else has it.
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        request.execute().await.with_context(|| format!("cannot add {address} (it takes {needs})"))?;
    }
    Ok(())
}

/// The index of the container's network interface; none in a container without a network, which has no neighbours to ask.
fn network_interface() -> anyhow::Result<Option<u32>> {
    match std::fs::read_to_string(INTERFACE) {
        Ok(index) => Ok(Some(index.trim().parse().context("eth0 has no index")?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{INTERFACE} cannot be read")),
    }
}
