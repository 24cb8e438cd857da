//! Whether pods reach pods on other nodes. A node is Ready as soon as its own half of the pod network stands; the routes to the others'
//! come from the network plug-in a moment later, and a cluster without them makes every control of a network attempt fail.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::try_join;

use super::docker::exec;
use super::kubectl::Kubectl;
use super::layout::{Layout, Node};

const LIMIT: Duration = Duration::from_secs(60);

/// One loop inside the node: an exec for each try would cost more than the try.
const UNTIL_ROUTED: &str = r#"for pods in "$@"; do case $pods in *:*) family=-6;; *) family=-4;; esac; until ip $family route show "$pods" | grep -q .; do sleep 0.1; done; done"#;

/// Waits until each node has a route to the pods of each other node; the nodes must be Ready.
///
/// # Errors
/// Names the node that has none in time.
pub(crate) async fn until_there(layout: &Layout, kubectl: &Kubectl) -> Result<()> {
    let jsonpath = r#"jsonpath={range .items[*]}{.metadata.name} {.spec.podCIDRs[*]}{"\n"}{end}"#;
    let ranges = kubectl.run(&["get", "nodes", "-o", jsonpath]).await?;
    let [a, b, c] = layout.nodes();
    try_join!(until_routed(a, &ranges), until_routed(b, &ranges), until_routed(c, &ranges)).map(drop)
}

async fn until_routed(node: &Node, ranges: &str) -> Result<()> {
    let command = [&["sh", "-c", UNTIL_ROUTED, "sh"], others(ranges, &node.name).as_slice()].concat();
    exec(&node.name, &command, b"", LIMIT)
        .await
        .map(drop)
        .with_context(|| format!("node {} has no route to the pods of other nodes", node.name))
}

/// The pod ranges of every node but this one, from lines of name and ranges.
fn others<'a>(ranges: &'a str, node: &str) -> Vec<&'a str> {
    let lines = ranges.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(name, _)| *name != node).flat_map(|(_, ranges)| ranges.split_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_needs_no_route_to_its_own_pods() {
        let ranges = "a 10.244.0.0/24 fd00::/64\nb 10.244.1.0/24 fd00:0:0:1::/64\nc 10.244.2.0/24\n";
        assert_eq!(others(ranges, "b"), ["10.244.0.0/24", "fd00::/64", "10.244.2.0/24"]);
    }
}
