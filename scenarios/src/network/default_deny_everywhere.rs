//! A pod that no policy selects is open to everyone and may go anywhere: each namespace needs a policy that selects every pod, for both
//! directions, before it needs any other.
//!
//! Attempted: TCP and UDP from a probe in each namespace, which carries no label that a policy of its owners could mean, to probes
//! in a namespace that nobody has granted anything, and from those back to it; on one node and across nodes; on a port of the probes' own and on
//! those that pods, Services and policies in scope name. Expected: nothing arrives.
//! Control: between probes that no policy selects, on the same nodes, the same ports answer at the same moment; and the probe itself does.
use harness::attempt::packets::reach::Path;
use harness::cx::Cx;
use harness::rights;
use harness::run;
use harness::scenario::{G, Guard, Impact, Scenario, Scope, Severity};
use harness::verdict::Attempted;

use super::{PORT, all_of};

/// Each namespace denies by default, in and out.
pub const SCENARIO: Scenario = Scenario {
    title: "each namespace denies by default what nobody has granted",
    guidance: &[G(5, 1), G(4, 5)],
    also: &["CIS OKE 4.3.2", "CIS OKE 5.4.4"],
    severity: Severity::High,
    impact: Impact::Probe,
    scope: Scope::EachNamespace,
    needs: &[rights::PROBES, rights::EXEC, rights::OUTSIDE, rights::NAMED_PORTS],
    attempts: |_| {
        let ways = ["out to a namespace without policies", "in from there"];
        ways.iter().flat_map(|way| ["tcp", "udp"].map(|protocol| format!("{protocol} {way}, port {PORT}"))).collect()
    },
    controls: |_| 0,
    pods: 0,
    run: run!(attempt),
};

async fn attempt(cx: &Cx) -> Attempted {
    // On each pool, one of either: what one node stops on its way out, another need not.
    let (insides, outside) = cx.probes_and_neighbours(cx.namespace()?).await?;
    let named = cx.named_ports()?;
    let verbs = all_of(named);
    let (mut attempts, mut controls) = (Vec::new(), Vec::new());
    for (inside, neighbour) in insides.iter().zip(&outside) {
        for verb in &verbs {
            for open in &outside {
                attempts.push(Path::between(inside, verb(open.address), open));
                attempts.push(Path::between(open, verb(inside.address), inside));
                controls.push(Path::new(neighbour, verb(open.address), format!("{open}")));
            }
            controls.push(Path::new(inside, verb(inside.address), "itself"));
        }
    }
    cx.reach(attempts).at_named(named).stopped_by(Guard::Network).while_open(controls).await
}
