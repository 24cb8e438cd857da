//! A packet for a pod, in VXLAN's envelope, as bytes.
use std::net::Ipv4Addr;

use serde::Deserialize;

/// Discard (RFC 863): what probes do not listen on.
pub const PORT: u16 = 9;

const CONTENT: &[u8] = b"oke-conformance";

/// How the end of an overlay on a node is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Which network.
    pub vni: u32,
    /// Its end's hardware address: a kernel passes on what is for itself, and only that.
    pub mac: [u8; 6],
}

impl Tunnel {
    /// flannel's usual network, for everybody: some overlays do not look at hardware addresses.
    pub const UNKNOWN: Self = Self { vni: 1, mac: [0xff; 6] };

    /// Of what flannel's daemon writes on its node (flannel, pkg/backend/vxlan).
    pub fn of_flannel(backend_data: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct BackendData {
            #[serde(rename = "VNI")]
            vni: u32,
            #[serde(rename = "VtepMAC")]
            mac: String,
        }
        let data: BackendData = serde_json::from_str(backend_data).ok()?;
        let bytes = data.mac.split(':').map(|byte| u8::from_str_radix(byte, 16));
        let bytes = bytes.collect::<Result<Vec<_>, _>>().ok()?;
        (data.vni < 1 << 24).then_some(Self { vni: data.vni, mac: bytes.try_into().ok()? })
    }
}

/// A datagram from `from` to `to`, as it travels through `tunnel`: VXLAN's header (RFC 7348), Ethernet's, IPv4's, UDP's.
pub fn enveloped(tunnel: &Tunnel, from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let vni = (tunnel.vni << 8).to_be_bytes();
    // A hardware address that somebody may give himself, and no vendor's.
    let sender = [0x02, 0, 0, 0, 0, 1];
    [&[0x08, 0, 0, 0][..], &vni, &tunnel.mac, &sender, &[0x08, 0x00], &packet(from, to)].concat()
}

fn packet(from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let udp = (8 + CONTENT.len()) as u16;
    let mut header = Vec::from([0x45, 0]);
    header.extend((20 + udp).to_be_bytes());
    // No identification, not to be fragmented, 64 hops, UDP, and the checksum's place.
    header.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    let sum = checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    header.extend(40000_u16.to_be_bytes());
    header.extend(PORT.to_be_bytes());
    header.extend(udp.to_be_bytes());
    // UDP over IPv4 may leave its checksum out (RFC 768).
    header.extend([0, 0]);
    header.extend(CONTENT);
    header
}

/// RFC 1071, of an even number of bytes.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_header_sums_up_to_nothing() {
        let packet = packet(Ipv4Addr::new(10, 244, 1, 2), Ipv4Addr::new(10, 244, 2, 3));
        assert_eq!(checksum(&packet[..20]), 0);
        assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
        // A header whose sum is known.
        let example = [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
        assert_eq!(checksum(&example), 0xb861);
    }

    #[test]
    fn an_envelope_bears_the_network_and_the_hardware_address() {
        let tunnel = Tunnel { vni: 0x0a0b0c, mac: [1, 2, 3, 4, 5, 6] };
        let frame = enveloped(&tunnel, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
        assert_eq!(frame[..14], [8, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(frame[20..22], [8, 0]);
    }

    #[rstest]
    #[case::flannels(r#"{"VNI":1,"VtepMAC":"0a:58:00:00:00:01"}"#, Some(Tunnel { vni: 1, mac: [0x0a, 0x58, 0, 0, 0, 1] }))]
    #[case::another_backend(r#"{"PublicKey":"x"}"#, None)]
    #[case::no_network(r#"{"VNI":16777216,"VtepMAC":"0a:58:00:00:00:01"}"#, None)]
    #[case::no_address(r#"{"VNI":1,"VtepMAC":"0a:58"}"#, None)]
    #[case::nothing("null", None)]
    fn what_a_node_says(#[case] data: &str, #[case] expected: Option<Tunnel>) {
        assert_eq!(Tunnel::of_flannel(data), expected);
    }
}
