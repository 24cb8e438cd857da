//! What all scenarios of a run share.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::cluster::connect::Connection;
use crate::cluster::discovery::Discovery;
use crate::cluster::inventory::Inventory;
use crate::cluster::persona::Persona;
use crate::cluster::personas::Personas;
use crate::cluster::traffic::Traffic;
use crate::cluster::{facts, plugins};
use crate::glob;
use crate::memory::Memory;
use crate::probe::pod::Listening;
use crate::probe::start::{AgentImage, Probes};
use crate::quiet::Quiet;
use crate::record::facts::{ClusterFacts, NodeFacts, minor};
use crate::record::measurement::Measurements;
use crate::sandbox::Sandbox;
use crate::settings::ClusterSettings;
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
    /// What the run sends.
    pub traffic: Traffic,
    /// What the cluster is.
    pub facts: ClusterFacts,
    /// One node of each pool in scope that can host a probe.
    pub hosts: Vec<NodeFacts>,
    /// What the run makes.
    pub sandbox: Arc<Sandbox>,
    /// The agents.
    pub probes: Arc<Probes>,
    /// Endpoints outside the cluster.
    pub outside: Vec<SocketAddr>,
    /// The service account that deploys in each namespace that has one of this name.
    pub deployer: String,
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

/// The account that deploys in a namespace, where nothing else is said.
const DEPLOYER: &str = "deployer";

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
        let (discovery, inventory) = (Discovery::new(client.clone()), Inventory::new(client.clone()));
        let (version, nodes, namespaces, groups, pods) = tokio::join!(
            client.apiserver_version(),
            facts::nodes(&client),
            facts::namespaces(&client),
            discovery.groups(),
            inventory.pods(),
        );
        let may_not = |what: &str, error: &kube::Error| {
            let why = told(error);
            anyhow::anyhow!("{user} cannot {what} in cluster {name} ({why}): grant it that, or use another credential")
        };
        let version = version.map_err(|error| may_not("read the version", &error))?;
        let (nodes, raw) = nodes.map_err(|error| may_not("list nodes", &error))?;
        let all = namespaces.map_err(|error| may_not("list namespaces", &error))?;
        let (candidates, mut out_of_scope): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.into_iter().partition(|(namespace, _)| facts::in_scope(namespace, &settings.namespaces));
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
        let mut hosts = facts::one_per_pool(&nodes);
        if !hosts.is_empty() {
            let pools: Vec<String> = hosts.iter().map(|host| host.pool.clone()).collect();
            hosts.retain(|host| suite.scope.has_pool(&host.pool));
            if hosts.is_empty() {
                let pools = pools.join(", ");
                bail!("the suite's [scope] leaves no node pool of cluster {name}: mend `pools` there; it has {pools}");
            }
        }
        let image = match &settings.agent_image {
            Some(reference) => Ok(AgentImage { reference: reference.clone(), pull: true }),
            None => facts::agent_image(&inventory, &hosts, &raw).await,
        };
        let mut admission = plugins::built_in(&discovery, minor(&version.git_version)).await;
        admission.extend(groups.map(|groups| plugins::engines(&groups)).unwrap_or_default());
        let facts = ClusterFacts {
            name: name.into(),
            server,
            version: version.git_version,
            nodes,
            namespaces: pod_security.keys().cloned().collect(),
            out_of_scope: out_of_scope.into_keys().collect(),
            // Whoever may not ask gets no answer: the plan says so, and what needs it is inconclusive by itself.
            network_plugins: pods.map(|pods| plugins::network(&pods)).unwrap_or_default(),
            admission,
            pod_security: pod_security.into_iter().filter_map(|(name, level)| Some((name, level?))).collect(),
        };
        let operator = Persona {
            name: format!("the operator ({user})"),
            client: client.clone(),
            bearer: None,
            traffic: traffic.clone(),
        };
        Ok(Self {
            sandbox: Arc::new(Sandbox::new(client.clone(), &user)),
            probes: Arc::new(Probes::new(client, image, listening, traffic.pace().clone())),
            personas: Personas::new(operator, anonymous),
            discovery,
            inventory,
            traffic,
            outside: settings.outside.clone(),
            deployer: settings.deployer.clone().unwrap_or_else(|| DEPLOYER.into()),
            suite,
            waivers: Waivers::default(),
            memory: Memory::default(),
            measurements: Measurements::default(),
            quiet: Arc::default(),
            facts,
            hosts,
        })
    }

    /// The nodes in scope that can host a probe.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeFacts> {
        self.facts.nodes.iter().filter(|node| node.hosts_probes() && self.suite.scope.has_pool(&node.pool))
    }
}
