//! What all scenarios of a run share.
use anyhow::{Context, Result, bail};
use kube::Config;

use crate::attempt::quota::QuotaProof;
use crate::cluster::connect::Connection;
use crate::cluster::facts;
use crate::cluster::persona::Persona;
use crate::probe::pod::Listening;
use crate::probe::start::{AgentImage, Probes};
use crate::record::{ClusterFacts, NodeFacts};
use crate::sandbox::{self, Sandbox, told};
use crate::settings::ClusterSettings;
use crate::waiver::Waivers;

/// What all scenarios of a run share.
pub struct Env {
    /// The credential the run was started with.
    pub operator: Persona,
    /// What personas' clients are made from.
    pub config: Config,
    /// What the cluster is.
    pub facts: ClusterFacts,
    /// One node of each pool that can host a probe.
    pub hosts: Vec<NodeFacts>,
    /// What the run makes.
    pub sandbox: Sandbox,
    /// The agents.
    pub probes: Probes,
    /// The service account that deploys in each namespace, where there is one.
    pub deployer: Option<String>,
    /// What is allowed for now, and who answers for it.
    pub waivers: Waivers,
    /// Whether quotas are enforced here at all, found once.
    pub quota: QuotaProof,
}

/// The account that deploys in a namespace, where nothing else is said.
const DEPLOYER: &str = "deployer";

impl Env {
    /// Finds out what the cluster is, and takes away what earlier runs left behind and nobody else will.
    ///
    /// # Errors
    /// One sentence: what cannot be read, and which right is missing.
    pub async fn open(
        name: &str,
        connection: Connection,
        settings: &ClusterSettings,
        listening: Listening,
    ) -> Result<Self> {
        let Connection { config, client, user } = connection;
        let (version, nodes, namespaces, swept) = tokio::join!(
            client.apiserver_version(),
            facts::nodes(&client),
            facts::namespaces(&client, &settings.namespaces),
            sandbox::sweep_expired(&client),
        );
        let may_not = |what: &str, error: &kube::Error| {
            format!(
                "{user} cannot {what} in cluster {name} ({}): grant it that, or use another credential",
                told(error)
            )
        };
        let version = version.map_err(|error| anyhow::anyhow!(may_not("read the version", &error)))?;
        let (nodes, raw) = nodes.map_err(|error| anyhow::anyhow!(may_not("list nodes", &error)))?;
        let namespaces = namespaces.map_err(|error| anyhow::anyhow!(may_not("list namespaces", &error)))?;
        if namespaces.is_empty() {
            bail!(
                "no namespace of cluster {name} is in scope: mend `namespaces` in its entry of conformance.toml, or create one"
            );
        }
        swept.map_err(anyhow::Error::msg).with_context(|| format!("cluster {name}"))?;
        let hosts = facts::one_per_pool(&nodes);
        let image = match &settings.agent_image {
            Some(reference) => Ok(AgentImage { reference: reference.clone(), pull: true }),
            None => facts::agent_image(&client, &hosts, &raw).await,
        };
        let facts = ClusterFacts {
            name: name.into(),
            server: config.cluster_url.to_string(),
            version: version.git_version,
            nodes,
            namespaces,
        };
        Ok(Self {
            sandbox: Sandbox::new(client.clone(), &user),
            probes: Probes::new(client.clone(), image, listening),
            operator: Persona { name: format!("the operator ({user})"), client },
            deployer: Some(settings.deployer.clone().unwrap_or_else(|| DEPLOYER.into())),
            waivers: Waivers::default(),
            quota: QuotaProof::default(),
            config,
            facts,
            hosts,
        })
    }
}
