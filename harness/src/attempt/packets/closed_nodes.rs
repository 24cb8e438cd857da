//! Nodes that take nothing of pods: OKE's own rules for VCN-native pods let none to a node's own ports, and a host's firewall may do the same. What is
//! closed there is closed for another reason than a policy's, and nothing can be asked of such a node.
use std::net::IpAddr;

use tokio::sync::OnceCell;

use crate::attempt::packets::reach::{Path, walk};
use crate::cluster::facts::KUBELET_PORT;
use crate::cx::Cx;
use crate::probe::batch::{Touch, Verb};
use crate::verdict::NoVerdict;

/// Found once for a run.
#[derive(Debug, Default)]
struct Closed(OnceCell<Result<Vec<IpAddr>, NoVerdict>>);

impl Cx {
    /// The addresses of nodes at which a probe that no policy selects does not get to the kubelet, which listens on every node.
    ///
    /// # Errors
    /// Inconclusive where no such probe runs.
    pub(crate) async fn closed_nodes(&self) -> Result<Vec<IpAddr>, NoVerdict> {
        let kept = self.env.memory.of::<Closed>();
        let closed = kept.0.get_or_init(|| async {
            let probe = self.outside_probe(self.node()?).await?;
            let there = self.env.facts.nodes.iter().filter(|node| node.out_of_reach().is_none());
            let to: Vec<IpAddr> = there.flat_map(|node| &node.addresses).filter_map(|to| to.parse().ok()).collect();
            let kubelet = |to: &IpAddr| Path::new(&probe, Verb::Tcp { to: *to, port: KUBELET_PORT }, "the kubelet");
            let answers = walk(&to.iter().map(kubelet).collect::<Vec<_>>()).await;
            let closed = to
                .into_iter()
                .zip(answers)
                .filter(|(_, answer)| answer.as_ref().is_ok_and(|answers| answers.own.touch() == Touch::Stopped));
            Ok(closed.map(|(to, _)| to).collect())
        });
        closed.await.clone()
    }
}
