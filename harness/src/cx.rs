//! What a scenario is handed: the cell it runs for, and the words to attempt things with.
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::try_join_all;

use crate::cluster::facts::KUBELET_PORT;
use crate::cluster::named_ports::NamedPorts;
use crate::env::Env;
use crate::probe::let_out::LetOut;
use crate::probe::{Probe, here};
use crate::quiet::{Hush, Work};
use crate::record::facts::{ClusterFacts, NodeFacts};
use crate::verdict::NoVerdict;

/// What a cell is about; which parts are there depends on the scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The namespace.
    pub namespace: Option<String>,
    /// The other one of a pair.
    pub other: Option<String>,
    /// The node that stands for a pool.
    pub node: Option<NodeFacts>,
    /// Why nothing can be tried there.
    pub untried: Option<NoVerdict>,
}

/// One cell's context.
pub struct Cx {
    pub(crate) env: Arc<Env>,
    /// The scenario's id.
    pub(crate) scenario: String,
    pub(crate) place: Place,
    pub(crate) work: Work,
}

impl Cx {
    /// The namespace this cell is about.
    ///
    /// # Errors
    /// Inconclusive in a scope without namespaces: a bug of the scenario.
    pub fn namespace(&self) -> Result<&str, NoVerdict> {
        self.place.namespace.as_deref().ok_or_else(|| NoVerdict::inconclusive("this scope has no namespace"))
    }

    /// The namespace that must not be reached from [`Cx::namespace`].
    ///
    /// # Errors
    /// Inconclusive in a scope without pairs: a bug of the scenario.
    pub fn other_namespace(&self) -> Result<&str, NoVerdict> {
        self.place.other.as_deref().ok_or_else(|| NoVerdict::inconclusive("this scope has no pairs"))
    }

    /// Waits until nothing else of the run is at work, and has the cluster to itself until what is returned is dropped.
    pub(crate) async fn quiet(&self) -> Hush<'_> {
        self.work.quiet().await
    }

    /// What the cluster is.
    pub fn facts(&self) -> &ClusterFacts {
        &self.env.facts
    }

    /// Endpoints outside the cluster that its users name.
    ///
    /// # Errors
    /// Not applicable where they name none.
    pub fn endpoints_outside(&self) -> Result<&[SocketAddr], NoVerdict> {
        match self.env.outside.as_slice() {
            [] => Err(NoVerdict::not_applicable(
                "no endpoint outside the cluster is known: name one in conformance.toml, as `outside = [\"ADDRESS:PORT\"]`",
            )),
            endpoints => Ok(endpoints),
        }
    }

    /// The ports that pods, Services and policies in scope name, on which every probe listens besides its own.
    ///
    /// # Errors
    /// Inconclusive where they cannot be looked for.
    pub fn named_ports(&self) -> Result<&NamedPorts, NoVerdict> {
        self.env
            .named_ports
            .as_ref()
            .map_err(|why| NoVerdict::inconclusive(format!("which ports are in use is not known: {why}")))
    }

    /// Some nodes of each pool that stand for it in this cell: one, where the suite's `[sample]` does not say more.
    pub fn hosts(&self) -> &[NodeFacts] {
        self.env.placement.hosts(self.place.namespace.as_deref())
    }

    /// The node this cell is about, or the first that can host a probe.
    ///
    /// # Errors
    /// Inconclusive where no node can.
    pub fn node(&self) -> Result<&NodeFacts, NoVerdict> {
        self.place.node.as_ref().or_else(|| self.hosts().first()).ok_or_else(nowhere)
    }

    /// The nodes that stand for their pool for `namespace`.
    fn some_hosts(&self, namespace: Option<&str>) -> Result<&[NodeFacts], NoVerdict> {
        let hosts = self.env.placement.hosts(namespace);
        if hosts.is_empty() { Err(nowhere()) } else { Ok(hosts) }
    }

    /// The probe in `namespace` on `node`.
    ///
    /// # Errors
    /// Inconclusive where it does not run.
    pub async fn probe(&self, namespace: &str, node: &NodeFacts) -> Result<Arc<Probe>, NoVerdict> {
        self.env.probes.get(&self.env.sandbox, namespace, node).await.map_err(NoVerdict::Inconclusive)
    }

    /// The probes in `namespace`, one on each of the nodes that stand for their pool there, in their order.
    ///
    /// # Errors
    /// Inconclusive where one does not run, or no node takes any.
    pub async fn probes(&self, namespace: &str) -> Result<Vec<Arc<Probe>>, NoVerdict> {
        let hosts = self.some_hosts(Some(namespace))?;
        try_join_all(hosts.iter().map(|node| self.probe(namespace, node))).await
    }

    /// The probes in `namespace`, and beside each, on its node, one in the run's own: see [`Cx::outside_probe`].
    ///
    /// # Errors
    /// As [`Cx::probes`] and [`Cx::outside_probe`].
    pub async fn probes_and_neighbours(
        &self,
        namespace: &str,
    ) -> Result<(Vec<Arc<Probe>>, Vec<Arc<Probe>>), NoVerdict> {
        let hosts = self.some_hosts(Some(namespace))?;
        let neighbours = try_join_all(hosts.iter().map(|node| self.outside_probe(node)));
        tokio::try_join!(self.probes(namespace), neighbours)
    }

    /// Probes in the run's own namespace on the first nodes of each pool: see [`Cx::outside_probe`].
    ///
    /// # Errors
    /// As [`Cx::outside_probe`].
    pub async fn outside_probes(&self) -> Result<Vec<Arc<Probe>>, NoVerdict> {
        let hosts = self.some_hosts(None)?;
        let outside = try_join_all(hosts.iter().map(|node| self.own_probe(node))).await?;
        LetOut::of(&self.env, &outside).await?;
        Ok(outside)
    }

    /// A probe on `node` in the run's own namespace, which no policy of the cluster's users selects: where controls are tried from.
    ///
    /// # Errors
    /// Inconclusive where it does not run, or where a policy of another kind selects that namespace as well and cuts it off.
    pub async fn outside_probe(&self, node: &NodeFacts) -> Result<Arc<Probe>, NoVerdict> {
        self.outside_probes().await?;
        self.own_probe(node).await
    }

    /// The same probe, for what asks nothing of the network.
    ///
    /// # Errors
    /// Inconclusive where it does not run.
    pub async fn own_probe(&self, node: &NodeFacts) -> Result<Arc<Probe>, NoVerdict> {
        let namespace = self.env.sandbox.outside().await.map_err(NoVerdict::Inconclusive)?;
        self.probe(&namespace, node).await
    }

    /// The machine that the suite runs on, which is outside the cluster; `None` where it is one of its pods.
    pub fn here(&self) -> Option<Arc<Probe>> {
        here::here()
    }

    /// Whether the machine that the suite runs on reaches the kubelet at a node's address `to`.
    pub async fn reached_from_here(&self, to: IpAddr) -> bool {
        here::connects(to, KUBELET_PORT).await
    }

    /// A probe on `node`'s own network, in a namespace of the run's own that admits it: the bypass of every policy. For intrusive suites.
    ///
    /// # Errors
    /// Inconclusive where it does not run.
    pub async fn host_probe(&self, node: &NodeFacts) -> Result<Arc<Probe>, NoVerdict> {
        self.env.probes.on_host(&self.env.sandbox, node).await.map_err(NoVerdict::Inconclusive)
    }

    /// The addresses of the node that is called `node`.
    pub(crate) fn addresses_of(&self, node: &str) -> Vec<IpAddr> {
        let node = self.env.facts.nodes.iter().find(|found| found.name == node);
        node.iter().flat_map(|node| &node.addresses).filter_map(|address| address.parse().ok()).collect()
    }
}

fn nowhere() -> NoVerdict {
    NoVerdict::inconclusive("no node is ready to take pods: no probe can be placed")
}
