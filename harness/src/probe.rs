//! The agent, seen from outside: its pod, the exec protocol, batches of verbs.
pub mod agent;
pub mod asked;
pub mod batch;
mod begun;
pub mod dialled;
pub mod exec;
pub mod here;
pub mod https;
pub(crate) mod let_out;
pub mod pod;
pub mod relay;
mod room;
pub mod session;
pub mod start;

use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use asked::Asked;
use exec::Line;

/// A running agent.
#[derive(Debug)]
pub struct Probe {
    /// Its namespace.
    pub namespace: String,
    /// Its pod's name.
    pub pod: String,
    /// Its node.
    pub node: String,
    /// Its address; the first, where it has several.
    pub address: IpAddr,
    /// Its addresses of the other family, on a cluster that has both.
    pub others: Vec<IpAddr>,
    /// From the request that makes its pod to the pod running, in milliseconds.
    pub running_after_ms: u64,
    /// What its pod, as it was admitted, asks of the runtime.
    pub asked: Asked,
    pub(crate) running_since: Instant,
    pub(crate) line: Line,
}

impl Probe {
    /// Its address of the same family as `other`; none where it has only the other family's.
    pub fn address_like(&self, other: IpAddr) -> Option<IpAddr> {
        self.addresses().find(|address| address.is_ipv6() == other.is_ipv6())
    }

    /// All its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [self.address].into_iter().chain(self.others.iter().copied())
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.namespace, self.node)
    }
}

#[cfg(test)]
impl Probe {
    /// One that is nowhere, in `namespace`, and answers as `line` does.
    pub(crate) fn in_name_only(namespace: &str, line: Line) -> Self {
        Self {
            namespace: namespace.into(),
            pod: String::new(),
            node: "n".into(),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            others: Vec::new(),
            running_after_ms: 0,
            asked: Asked::default(),
            running_since: Instant::now(),
            line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::the_same_family("10.0.0.9", Some("10.0.0.1"))]
    #[case::the_other_family("fd00::9", Some("fd00::1"))]
    #[tokio::test]
    async fn a_pod_may_have_an_address_of_each_family(#[case] other: &str, #[case] expected: Option<&str>) {
        let probe = Probe {
            address: "10.0.0.1".parse().unwrap(),
            others: vec!["fd00::1".parse().unwrap()],
            ..Probe::in_name_only("", Line::answered_by(|_| unreachable!()))
        };
        let found = probe.address_like(other.parse().unwrap());
        assert_eq!(found.map(|found| found.to_string()).as_deref(), expected);
    }
}
