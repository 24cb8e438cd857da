//! What all scenarios of a run share.
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::cluster::connect::Connection;
use crate::cluster::deployers::Deployers;
use crate::cluster::discovery::Discovery;
use crate::cluster::inventory::Inventory;
use crate::cluster::named_ports::{NamedPorts, Port, named_ports};
use crate::cluster::nodes::{NodeSettings, idle_pools};
use crate::cluster::persona::Persona;
use crate::cluster::personas::Personas;
use crate::cluster::placement::{Placement, pass_over_full, rooms};
use crate::cluster::traffic::Traffic;
use crate::cluster::{facts, plugins};
use crate::glob;
use crate::memory::Memory;
use crate::probe::pod::Listening;
use crate::probe::start::{AgentImage, Probes};
use crate::quiet::Quiet;
use crate::record::facts::{ClusterFacts, IdlePool, NodeFacts, minor};
use crate::record::measurement::Measurements;
use crate::sandbox::Sandbox;
use crate::settings::{ClusterSettings, MOST_PODS};
use crate::suite::Suite;
use crate::told::told;
use crate::waiver::Waivers;

/// What all scenarios of a run share.
pub struct Env {
    /// Who asks the API server.
    pub personas: Personas,
    /// What it serves.
    pub discovery: Discovery,
    /// What the cluster holds.
    pub inventory: Inventory,
    /// The ports that are named in scope, or why that is not known.
    pub named_ports: Result<NamedPorts, String>,
    /// What the run sends.
    pub traffic: Traffic,
    /// What the cluster is.
    pub facts: ClusterFacts,
    /// The nodes that stand for their pool, namespace by namespace: as many as the suite's `[sample]` says.
    pub placement: Placement,
    /// What its owner says of its nodes.
    pub node_settings: NodeSettings,
    /// API services that do not answer.
    pub unavailable: Vec<String>,
    /// Pools in scope that no probe can be placed in.
    pub idle_pools: Vec<IdlePool>,
    /// The most pods that a run may make.
    pub most_pods: usize,
    /// What the run makes.
    pub sandbox: Arc<Sandbox>,
    /// The agents.
    pub probes: Arc<Probes>,
    /// Endpoints outside the cluster.
    pub outside: Vec<SocketAddr>,
    /// Who deploys in each namespace.
    pub deployers: Deployers,
    /// Which scenarios run, and what is good enough.
    pub suite: Suite,
    /// What is allowed for now, and who answers for it.
    pub waivers: Waivers,
    /// What kinds of attempts remember.
    pub memory: Memory,
    /// What they have measured.
    pub measurements: Measurements,
    /// Who is at work.
    pub quiet: Arc<Quiet>,
}

impl Env {
    /// Finds out what the cluster is. Nothing is changed there yet.
    ///
    /// # Errors
    /// One sentence: what cannot be read and which right is missing, or why nothing is in scope.
    pub async fn open(
        name: &str,
        connection: Connection,
        settings: &ClusterSettings,
        suite: Suite,
        listening: Listening,
    ) -> Result<Self> {
        let Connection { server, client, anonymous, user, traffic } = connection;
        let node_settings = NodeSettings::of(settings);
        let (discovery, inventory) = (Discovery::new(client.clone()), Inventory::new(client.clone()));
        let (version, nodes, namespaces, groups, pods) = tokio::join!(
            client.apiserver_version(),
            node_settings.nodes(&client),
            facts::namespaces(&client),
            discovery.groups(),
            inventory.pods(),
        );
        let may_not = |what: &str, error: &kube::Error| {
            let why = told(error);
            anyhow::anyhow!("{user} cannot {what} in cluster {name} ({why}): grant it that, or use another credential")
        };
        let version = version.map_err(|error| may_not("read the version", &error))?;
        let (mut nodes, raw) = nodes.map_err(|error| may_not("list nodes", &error))?;
        let facts::Namespaces { staying, left_out } = namespaces.map_err(|error| may_not("list namespaces", &error))?;
        let (candidates, mut out_of_scope): (BTreeMap<_, _>, BTreeMap<_, _>) =
            staying.into_iter().partition(|(namespace, _)| facts::in_scope(namespace, &settings.namespaces));
        if candidates.is_empty() {
            bail!(
                "no namespace of cluster {name} is in scope: mend `namespaces` in its entry of conformance.toml, or create one"
            );
        }
        let found: Vec<String> = candidates.keys().cloned().collect();
        let (pod_security, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            candidates.into_iter().partition(|(namespace, _)| suite.scope.has_namespace(namespace));
        out_of_scope.extend(others);
        if pod_security.is_empty() {
            let near = suite.scope.namespaces.first().map(|glob| glob::nearest(glob, found.iter().map(String::as_str)));
            bail!(
                "the suite's [scope] leaves no namespace of cluster {name}: mend `namespaces` or `except` there{}",
                near.unwrap_or_default()
            );
        }
        let in_scope: Vec<String> = pod_security.keys().cloned().collect();
        let rooms = rooms(&raw, pods.as_ref().ok().map(|pods| pods.as_slice()));
        pass_over_full(&mut nodes, &rooms, settings.most_pods_a_node);
        let mut placement = Placement::of(&nodes, suite.sample.nodes, &in_scope, &rooms, settings.most_pods_a_node);
        let mut idle_pools = idle_pools(&nodes);
        idle_pools.retain(|idle| suite.scope.has_pool(&idle.pool));
        if !placement.all().is_empty() {
            let pools: BTreeSet<String> = placement.all().into_iter().map(|host| host.pool.clone()).collect();
            placement.retain(|host| suite.scope.has_pool(&host.pool));
            if placement.all().is_empty() {
                let pools: Vec<String> = pools.into_iter().collect();
                let pools = pools.join(", ");
                bail!("the suite's [scope] leaves no node pool of cluster {name}: mend `pools` there; it has {pools}");
            }
        }
        let image = match &settings.agent_image {
            Some(reference) => {
                Ok(AgentImage { reference: reference.clone(), pull: true, tag: facts::tag_of(&raw, reference) })
            }
            None => {
                let hosts: Vec<NodeFacts> = placement.all().into_iter().cloned().collect();
                facts::agent_image(&inventory, &hosts, &raw).await
            }
        };
        let mut admission = plugins::built_in(&discovery, minor(&version.git_version)).await;
        let groups = groups.unwrap_or_default();
        admission.extend(plugins::engines(&groups.names));
        let facts = ClusterFacts {
            name: name.into(),
            server,
            version: version.git_version,
            nodes,
            namespaces: pod_security.keys().cloned().collect(),
            out_of_scope: out_of_scope.into_keys().collect(),
            left_out,
            // Whoever may not ask gets no answer: the plan says so, and what needs it is inconclusive by itself.
            network_plugins: pods.map(|pods| plugins::network(&pods)).unwrap_or_default(),
            admission,
            pod_security: pod_security.into_iter().filter_map(|(name, level)| Some((name, level?))).collect(),
        };
        let in_scope = facts.namespaces.iter().cloned().collect();
        let besides: Vec<Port> = settings.ports.iter().map(|port| port.port()).collect();
        let named_ports = named_ports(&client, &inventory, &in_scope, &besides).await;
        let listening = match &named_ports {
            Ok(named) => listening.and(&named.tcp, &named.udp),
            Err(_) => listening,
        };
        let operator = Persona {
            name: format!("the operator ({user})"),
            client: client.clone(),
            bearer: None,
            traffic: traffic.clone(),
        };
        Ok(Self {
            sandbox: Arc::new(Sandbox::new(client.clone(), &user, settings)),
            probes: Arc::new(Probes::new(client, image, listening, traffic.pace().clone())),
            personas: Personas::new(operator, anonymous),
            discovery,
            inventory,
            named_ports,
            traffic,
            outside: settings.outside.clone(),
            deployers: settings.deployer.clone().unwrap_or_default(),
            suite,
            waivers: Waivers::default(),
            memory: Memory::default(),
            measurements: Measurements::default(),
            quiet: Arc::default(),
            node_settings,
            unavailable: groups.unavailable,
            most_pods: settings.most_pods.unwrap_or(MOST_PODS),
            idle_pools,
            facts,
            placement,
        })
    }

    /// What of the pool that `node` is of, or of all of them, is not tried; none where it is tried on every node.
    pub(crate) fn sampled(&self, node: Option<&NodeFacts>) -> Option<String> {
        let pools: BTreeSet<&str> = match node {
            Some(node) => [node.pool.as_str()].into(),
            None => self.placement.hosts(None).iter().map(|host| host.pool.as_str()).collect(),
        };
        let part = |pool: &&str| {
            let of = |nodes: &mut dyn Iterator<Item = &NodeFacts>| nodes.filter(|node| node.pool == **pool).count();
            let (tried, all) = (of(&mut self.placement.hosts(None).iter()), of(&mut self.nodes()));
            (tried < all).then(|| format!("{tried} of {all} nodes of pool {pool}"))
        };
        let parts: Vec<String> = pools.iter().filter_map(part).collect();
        (!parts.is_empty()).then(|| format!("tried from {}, as many as the suite's [sample] says", parts.join(", ")))
    }

    /// The nodes in scope that can host a probe.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeFacts> {
        self.facts.nodes.iter().filter(|node| node.hosts_probes() && self.suite.scope.has_pool(&node.pool))
    }
}
