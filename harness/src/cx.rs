//! What a scenario is handed: the cell it runs for, and the words to attempt things with.
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Pod, Service};
use serde_json::json;

use crate::attempt::access::Access;
use crate::attempt::admission::{Admission, Target, document};
use crate::attempt::ask::Ask;
use crate::attempt::contained::Contained;
use crate::attempt::controllers::Controllers;
use crate::attempt::enforcement::Enforcement;
use crate::attempt::exemptions::Exemptions;
use crate::attempt::grants::{self, Grants};
use crate::attempt::kubelet::Kubelet;
use crate::attempt::ladder::{Ladder, Rung};
use crate::attempt::overlay::Injection;
use crate::attempt::psp::Policies;
use crate::attempt::reach::{Path, Reach};
use crate::attempt::standard::Standard;
use crate::attempt::survey::Survey;
use crate::cluster::persona::Persona;
use crate::env::Env;
use crate::network_policy::case::Case;
use crate::probe::batch::{Answer, Touch, Verb};
use crate::probe::{Probe, here, pod};
use crate::record::{ClusterFacts, NodeFacts};
use crate::scenario::Impact;
use crate::standard::{self, Variant};
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
}

/// One cell's context.
pub struct Cx {
    pub(crate) env: Arc<Env>,
    /// The scenario's id.
    pub(crate) scenario: String,
    pub(crate) place: Place,
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

    /// One node of each pool that can host a probe.
    pub fn hosts(&self) -> &[NodeFacts] {
        &self.env.hosts
    }

    /// The node this cell is about, or the first that can host a probe.
    ///
    /// # Errors
    /// Inconclusive where no node can.
    pub fn node(&self) -> Result<&NodeFacts, NoVerdict> {
        self.place
            .node
            .as_ref()
            .or_else(|| self.env.hosts.first())
            .ok_or_else(|| NoVerdict::inconclusive("no node is ready and free of taints: no probe can be placed"))
    }

    /// A pod for [`Cx::namespace`] that nothing should object to: the control of every admission attempt.
    ///
    /// # Errors
    /// Inconclusive where no image by digest is known.
    pub fn plain_pod(&self) -> Result<Pod, NoVerdict> {
        self.plain_pod_in(self.namespace()?)
    }

    /// ... and one for `namespace`.
    ///
    /// # Errors
    /// As [`Cx::plain_pod`].
    pub fn plain_pod_in(&self, namespace: &str) -> Result<Pod, NoVerdict> {
        let image = self.env.probes.image().map_err(NoVerdict::Inconclusive)?;
        let name = format!("oke-conformance-{}", self.env.sandbox.run);
        pod::plain(&name, namespace, &image.reference, &self.env.sandbox.labels())
            .map_err(|error| NoVerdict::inconclusive(error.to_string()))
    }

    /// Attempts to have `forbidden` admitted in [`Cx::namespace`], as the one who deploys there.
    ///
    /// # Errors
    /// Inconclusive where that identity cannot be had.
    pub async fn admission(&self, forbidden: Pod) -> Result<Admission, NoVerdict> {
        let namespace = self.namespace()?;
        Admission::of(self.deployer(namespace).await?, namespace, &forbidden)
    }

    /// A Service for [`Cx::namespace`] that nothing should object to: for the cluster alone, and with no pod behind it.
    ///
    /// # Errors
    /// Inconclusive where it cannot be written down: a bug, reported rather than hidden.
    pub fn plain_service(&self) -> Result<Service, NoVerdict> {
        let sandbox = &self.env.sandbox;
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": format!("oke-conformance-{}", sandbox.run), "namespace": self.namespace()?, "labels": sandbox.labels() },
            "spec": { "type": "ClusterIP", "selector": { "oke-conformance/nobody": "" }, "ports": [{ "port": 80 }] },
        });
        serde_json::from_value(service).map_err(|error| NoVerdict::inconclusive(error.to_string()))
    }

    /// Attempts to have each of the Services `forbidden` admitted in [`Cx::namespace`], as the one who deploys there; what is forbidden
    /// about each is for the reader.
    ///
    /// # Errors
    /// Inconclusive where that identity cannot be had.
    pub async fn service_admission(&self, forbidden: Vec<(&str, Service)>) -> Result<Admission, NoVerdict> {
        let namespace = self.namespace()?;
        let variants = forbidden
            .into_iter()
            .map(|(what, service)| Ok(Variant { what: what.to_owned(), named: &[], document: document(&service)? }));
        let variants = variants.collect::<Result<_, NoVerdict>>()?;
        Ok(Admission::of_all(self.deployer(namespace).await?, Target::Services(namespace.to_owned()), variants))
    }

    /// Attempts everything that `control` forbids in a pod of [`Cx::namespace`], as the one who deploys there: each time a pod that
    /// differs from an admitted one in one field.
    ///
    /// # Errors
    /// Not applicable where the server's version does not have it; inconclusive where that identity or a pod cannot be had.
    pub async fn standard(&self, control: &'static standard::Control) -> Result<Standard, NoVerdict> {
        let (namespace, minor) = (self.namespace()?, self.env.facts.minor());
        if !control.applies(minor) {
            let why = format!("the standards have this from Kubernetes 1.{} on, and this is 1.{minor}", control.since);
            return Err(NoVerdict::not_applicable(why));
        }
        let plain = self.plain_pod()?;
        let unwritten = |error: serde_json::Error| NoVerdict::inconclusive(error.to_string());
        let forbidden = control.forbidden(&plain, minor).map_err(unwritten)?;
        let admitted = control.admitted(&plain).map_err(unwritten)?;
        let author = self.deployer(namespace).await?;
        let place = Target::Namespace(namespace.to_owned());
        Ok(Standard { admission: Admission::of_all(author, place, forbidden), admitted })
    }

    /// Attempts everything that the standards forbid in an ephemeral container, in a running probe of [`Cx::namespace`], as the operator:
    /// what may debug is seldom what deploys.
    ///
    /// # Errors
    /// Inconclusive where the probe does not run.
    pub async fn standard_in_ephemeral(&self) -> Result<Standard, NoVerdict> {
        let probe = self.probe(self.namespace()?, self.node()?).await?;
        let image = self.env.probes.image().map_err(NoVerdict::Inconclusive)?;
        let admitted = pod::ephemeral(&image.reference);
        let minor = self.env.facts.minor();
        let forbidden = standard::ALL.iter().flat_map(|(_, control)| control.forbidden_in_ephemeral(&admitted, minor));
        let place = Target::Pod(probe.namespace.clone(), probe.pod.clone());
        let author = self.env.personas.operator.clone();
        Ok(Standard { admission: Admission::of_all(author, place, forbidden.collect()), admitted })
    }

    /// A namespace of the run's own that nobody has labelled, as any newcomer's is.
    ///
    /// # Errors
    /// Inconclusive where it cannot be made.
    pub async fn newborn_namespace(&self) -> Result<&str, NoVerdict> {
        self.env.sandbox.newborn().await.map_err(NoVerdict::Inconclusive)
    }

    /// Attempts to have `forbidden` admitted in `namespace`, as the operator.
    ///
    /// # Errors
    /// Inconclusive where the pod cannot be written down.
    pub fn admission_into(&self, namespace: &str, forbidden: &Pod) -> Result<Admission, NoVerdict> {
        Admission::of(self.env.personas.operator.clone(), namespace, forbidden)
    }

    /// Attempts `asks` as the account that deploys in [`Cx::namespace`].
    ///
    /// # Errors
    /// Not applicable where there is no such account; inconclusive where that identity cannot be had.
    pub async fn access_as_deployer(&self, asks: Vec<Ask>) -> Result<Access<'_>, NoVerdict> {
        self.access_as(&self.env.deployer, asks).await
    }

    /// Attempts to have `forbidden` admitted in every namespace there is, as the operator.
    ///
    /// # Errors
    /// Inconclusive where the namespaces cannot be listed.
    pub fn exemptions(&self, forbidden: Pod) -> Exemptions<'_> {
        Exemptions { env: &self.env, scenario: &self.scenario, forbidden }
    }

    /// Attempts to have `forbidden` pods made by controllers of [`Cx::namespace`].
    pub fn through_controllers(&self, forbidden: Pod) -> Controllers<'_> {
        Controllers { cx: self, forbidden }
    }

    /// The PodSecurityPolicies of a cluster that knows them.
    ///
    /// # Errors
    /// Not applicable where the API server does not serve them; inconclusive where they cannot be listed.
    pub async fn pod_security_policies(&self) -> Result<Policies<'_>, NoVerdict> {
        let (kind, plural) = ("policy/v1beta1", "podsecuritypolicies");
        if !self.env.discovery.serves(kind, plural, "list").await? {
            let ClusterFacts { version, admission, .. } = &self.env.facts;
            let others = if admission.is_empty() { "nothing that is known here".into() } else { admission.join(", ") };
            return Err(NoVerdict::not_applicable(format!(
                "this API server ({version}) serves no PodSecurityPolicy, which ended with Kubernetes 1.25; what decides about pods here, as far as can be seen: {others}"
            )));
        }
        let policies = self.survey().custom(kind, plural).await?;
        let names = policies.iter().filter_map(|policy| policy["metadata"]["name"].as_str());
        Ok(Policies { cx: self, names: names.map(str::to_owned).collect() })
    }

    /// The service account that deploys in `namespace`, or the operator where there is none.
    pub(crate) async fn deployer(&self, namespace: &str) -> Result<Persona, NoVerdict> {
        let personas = &self.env.personas;
        let deployer = personas.service_account(namespace, &self.env.deployer).await?;
        Ok(deployer.unwrap_or_else(|| personas.operator.clone()))
    }

    /// Attempts `asks` as the service account `account` of [`Cx::namespace`].
    ///
    /// # Errors
    /// Inconclusive where that identity cannot be had.
    pub async fn access_as(&self, account: &str, asks: Vec<Ask>) -> Result<Access<'_>, NoVerdict> {
        let namespace = self.namespace()?;
        let persona = self.env.personas.service_account(namespace, account).await?;
        let persona = persona
            .ok_or_else(|| NoVerdict::not_applicable(format!("{namespace} has no service account {account}")))?;
        Ok(Access { persona, discovery: &self.env.discovery, asks })
    }

    /// The probe in `namespace` on `node`.
    ///
    /// # Errors
    /// Inconclusive where it does not run.
    pub async fn probe(&self, namespace: &str, node: &NodeFacts) -> Result<Arc<Probe>, NoVerdict> {
        self.env.probes.get(&self.env.sandbox, namespace, node).await.map_err(NoVerdict::Inconclusive)
    }

    /// The probes in `namespace`, one on each of [`Cx::hosts`], in their order.
    ///
    /// # Errors
    /// Inconclusive where one does not run.
    pub async fn probes(&self, namespace: &str) -> Result<Vec<Arc<Probe>>, NoVerdict> {
        try_join_all(self.env.hosts.iter().map(|node| self.probe(namespace, node))).await
    }

    /// As [`Cx::probes`], in the run's own namespace: see [`Cx::outside_probe`].
    ///
    /// # Errors
    /// Inconclusive where one does not run.
    pub async fn outside_probes(&self) -> Result<Vec<Arc<Probe>>, NoVerdict> {
        try_join_all(self.env.hosts.iter().map(|node| self.outside_probe(node))).await
    }

    /// A probe on `node` in the run's own namespace, which no policy of the cluster's users selects: where controls are tried from.
    ///
    /// # Errors
    /// Inconclusive where it does not run.
    pub async fn outside_probe(&self, node: &NodeFacts) -> Result<Arc<Probe>, NoVerdict> {
        let namespace = self.env.sandbox.outside().await.map_err(NoVerdict::Inconclusive)?;
        self.probe(namespace, node).await
    }

    /// The machine that the suite runs on, which is outside the cluster; `None` where it is one of its pods.
    pub fn here(&self) -> Option<Arc<Probe>> {
        here::here()
    }

    /// Attempts to get packets along `attempts`.
    pub fn reach(&self, attempts: Vec<Path>) -> Reach {
        Reach { attempts, enforcement: self.env.suite.thresholds.enforcement() }
    }

    /// Attempts every path that the policies of each of `cases` do not grant, at a `place` of the run's own.
    pub fn grants(&self, cases: Vec<Case>, place: grants::Place) -> Grants<'_> {
        Grants { cx: self, cases, place }
    }

    /// Attempts to get packets through while a policy comes that forbids them.
    pub fn enforcement(&self) -> Enforcement<'_> {
        Enforcement { cx: self }
    }

    /// Asks the kubelet of `probe`'s node for `paths`, from `probe` and without a credential.
    pub fn kubelet_of(&self, probe: &Arc<Probe>, paths: &'static [&'static str]) -> Kubelet {
        let client = self.env.personas.operator.client.clone();
        Kubelet { client, probe: probe.clone(), addresses: self.addresses_of(&probe.node), paths }
    }

    fn addresses_of(&self, node: &str) -> Vec<IpAddr> {
        let node = self.env.facts.nodes.iter().find(|found| found.name == node);
        node.iter().flat_map(|node| &node.addresses).filter_map(|address| address.parse().ok()).collect()
    }

    /// Attempts to bring `victim` datagrams from `attacker` through the overlay of `victim`'s node, in the name of `posing_as`.
    pub fn injection(&self, attacker: &Arc<Probe>, victim: &Arc<Probe>, posing_as: Option<Arc<Probe>>) -> Injection {
        let client = self.env.personas.operator.client.clone();
        let addresses = self.addresses_of(&victim.node);
        Injection { client, attacker: attacker.clone(), victim: victim.clone(), posing_as, addresses }
    }

    /// Attempts to climb `rungs` from `from` to what `to` names.
    pub fn ladder(&self, from: &Arc<Probe>, to: &'static str, rungs: &'static [Rung]) -> Ladder {
        Ladder { from: from.clone(), to, rungs, enforcement: self.env.suite.thresholds.enforcement() }
    }

    /// A probe on `node` that gets through with `verb`, for controls: one that no policy selects, or, where the cluster stops every pod, one
    /// on the node's own network. The latter runs only where the suite allows what would hurt.
    ///
    /// # Errors
    /// Inconclusive where neither gets through, or the second may not be tried; not applicable where that leaves pods without IPv6.
    pub async fn witness(&self, node: &NodeFacts, verb: Verb) -> Result<Arc<Probe>, NoVerdict> {
        let outside = self.outside_probe(node).await?;
        let answer = self.tried(&outside, &verb).await?;
        if answer.touch() == Touch::Reached {
            return Ok(outside);
        }
        let stopped = format!("no control: {verb} from {outside}, which no policy selects: {answer}");
        if self.env.suite.impact < Impact::Intrusive {
            if verb.is_ipv6() && answer.errno.as_deref() == Some("ENETUNREACH") {
                return Err(NoVerdict::not_applicable(format!("pods have no way to IPv6 addresses here: {stopped}")));
            }
            return Err(NoVerdict::inconclusive(format!(
                "{stopped}; only a pod on the node's own network could show that it is there, and this suite stops short of such a pod"
            )));
        }
        let host = self.host_probe(node).await.map_err(|why| NoVerdict::inconclusive(format!("{stopped}; {why}")))?;
        match self.tried(&host, &verb).await? {
            answer if answer.touch() == Touch::Reached => Ok(host),
            answer => Err(NoVerdict::inconclusive(format!("{stopped}; nor from the node's own network: {answer}"))),
        }
    }

    /// Those of `verbs` that get through from `probe`: what is not there need not be closed.
    ///
    /// # Errors
    /// Inconclusive where an exec broke.
    pub async fn open_among(&self, probe: &Probe, verbs: &[Verb]) -> Result<Vec<Verb>, NoVerdict> {
        let answers = probe.line.ask(verbs.to_vec()).await;
        let answers = answers.map_err(|why| NoVerdict::inconclusive(format!("no control: {why}")))?;
        let open = verbs.iter().zip(answers).filter(|(_, answer)| answer.touch() == Touch::Reached);
        Ok(open.map(|(verb, _)| verb.clone()).collect())
    }

    async fn tried(&self, probe: &Probe, verb: &Verb) -> Result<Answer, NoVerdict> {
        let answers = probe.line.ask(vec![verb.clone()]).await;
        let answer = answers.and_then(|mut answers| answers.pop().ok_or_else(|| "the agent answered nothing".into()));
        answer.map_err(|why| NoVerdict::inconclusive(format!("no control: {why}")))
    }

    /// A probe on `node`'s own network, in a namespace of the run's own that admits it: the bypass of every policy. For intrusive suites.
    ///
    /// # Errors
    /// Inconclusive where it does not run.
    pub async fn host_probe(&self, node: &NodeFacts) -> Result<Arc<Probe>, NoVerdict> {
        self.env.probes.on_host(&self.env.sandbox, node).await.map_err(NoVerdict::Inconclusive)
    }

    /// Attempts to get out of `probe`'s container, and holds what its kernel grants against what its pod asks for.
    pub fn contained(&self, probe: &Arc<Probe>) -> Contained {
        Contained { probe: probe.clone() }
    }

    /// Looks through the cluster's objects.
    pub fn survey(&self) -> Survey<'_> {
        Survey::new(&self.env, &self.scenario)
    }
}
