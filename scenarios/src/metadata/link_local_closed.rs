//! The metadata service is one of several at link-local addresses: the boot volume's and block volumes' iSCSI targets, which are disks to
//! whoever may talk to them, and a server of kernels. On the host, the platform's images let only root through to them; what pods send is
//! forwarded and meets none of those rules.
//!
//! Attempted: connections to 169.254.0.2 and the first of 169.254.2.0/24 at port 3260, and to 169.254.0.3 at port 80, from a probe in each
//! namespace on a node of each pool. The resolver's port at 169.254.169.254 is left out: DNS needs it. Expected: no connection. Control:
//! what is tried are those that answer a probe on the same node which no policy selects (or, where the cluster stops every pod, one on the
//! node's own network), at the same moment. Where none does, there is nothing to close.
use std::net::{IpAddr, Ipv4Addr};

use futures::try_join;
use harness::attempt::packets::reach::Path;
use harness::cx::Cx;
use harness::probe::batch::Verb;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::{Attempted, NoVerdict};

use super::CONNECT;

/// What else is link-local is closed.
pub const SCENARIO: Scenario = Scenario {
    title: "pods do not reach the host's link-local services",
    guidance: &[G(4, 5)],
    also: &[],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachNamespaceOnEachPool,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE],
    attempts: |_| SERVICES.iter().map(ToString::to_string).collect(),
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

/// Docs: Compute, "Best Practices for Your Compute Instance" and "Updating the Linux OS Kernel"; Block Volume, "Connecting to a Block Volume".
const SERVICES: [Verb; 5] = [
    link_local(0, 2, 3260),
    link_local(2, 2, 3260),
    link_local(2, 3, 3260),
    link_local(2, 4, 3260),
    link_local(0, 3, 80),
];

const fn link_local(third: u8, fourth: u8, port: u16) -> Verb {
    Verb::Tcp { to: IpAddr::V4(Ipv4Addr::new(169, 254, third, fourth)), port }
}

async fn attempt(cx: &Cx) -> Attempted {
    let node = cx.node()?;
    let (inside, outside) = try_join!(cx.probe(cx.namespace()?, node), cx.witness(node, CONNECT))?;
    let there = cx.open_among(&outside, &SERVICES).await?;
    if there.is_empty() {
        return Err(NoVerdict::not_applicable(format!("none of these services answers {outside} either")));
    }
    let paths = |from| there.iter().map(|verb| Path::new(from, verb.clone(), "a link-local service")).collect();
    cx.reach(paths(&inside)).stopped_by(Guard::Network).while_open(paths(&outside)).await
}
