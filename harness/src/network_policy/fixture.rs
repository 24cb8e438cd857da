//! Some namespaces of the run's own, with some pods in each, and nobody else's policy: what a cluster does with NetworkPolicy can be held
//! to the specification there, path by path.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::env::Env;
use crate::network_policy::case::{Case, Change};
use crate::network_policy::latency::Watched;
use crate::network_policy::matrix::{Deviations, Door, Path, paths_from};
use crate::network_policy::model::{PolicyPod, Port, Protocol, World};
use crate::probe::batch::{Answer, Verb};
use crate::probe::pod::Listening;
use crate::probe::session::Session;
use crate::probe::start::Outfit;
use crate::record::NodeFacts;
use crate::sandbox::told;

/// What every pod listens on: two neighbours for ranges, one beyond them, and UDP beside TCP on the same number.
pub const PORTS: [Port; 4] = [
    Port { name: "web", protocol: Protocol::Tcp, number: 8080 },
    Port { name: "alt", protocol: Protocol::Tcp, number: 8081 },
    Port { name: "far", protocol: Protocol::Tcp, number: 8090 },
    Port { name: "echo", protocol: Protocol::Udp, number: 8080 },
];
const LISTENING: Listening = Listening { tcp: &[8080, 8081, 8090], udp: &[8080] };

/// The pods of each namespace.
pub const PODS: [&str; 3] = ["a", "b", "c"];

/// How long what is sent may take to arrive. Shorter than elsewhere, for it is paid with every look at a closed path; each look has open
/// paths beside the closed ones, which would be late as well.
const WITHIN: Duration = Duration::from_millis(400);

/// ... and how long where that may have been too short: what is granted and still closed then may be late, for its pod or its node is busy.
const WITHIN_AT_LAST: Duration = Duration::from_millis(1500);

/// How many times longer than a leak something else may last: a path that stays open is what this is about, one that opens late is not.
const PATIENCE: u32 = 4;
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The label by which cases name namespaces, and the one by which they name pods.
const NS: &str = "ns";
const POD: &str = "pod";

/// Some namespaces and pods.
pub struct Fixture {
    client: Client,
    /// Real names by short ones.
    namespaces: BTreeMap<&'static str, String>,
    names: Vec<String>,
    sessions: Vec<Session>,
    doors: Vec<Door>,
    /// What holds there now.
    world: World,
    /// What holds there where no case changes it.
    still: World,
}

/// How one case went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// From each stage's changes to the look that found everything as it must be, in milliseconds.
    pub converged_ms: Vec<u64>,
    /// Paths that were closed, over all stages.
    pub closed: usize,
    /// Paths that were open.
    pub open: usize,
    /// After what changes the paths did not become what they must, and how they stayed.
    pub stuck: Option<(String, Deviations)>,
}

impl Fixture {
    /// Starts pods in `namespaces`, spread over the cluster's nodes; the names of a run's fixtures differ. What `before` applies is there
    /// before the first pod is.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn start(
        env: &Arc<Env>,
        name: &str,
        namespaces: &[&'static str],
        before: &[Change],
    ) -> Result<Self, String> {
        let client = env.personas.operator.client.clone();
        let real = try_join_all(namespaces.iter().map(|short| async move {
            let name = env.sandbox.of_its_own(&format!("{name}-{short}"), &[(NS, short)]).await?;
            Ok::<_, String>((*short, name))
        }));
        let real: BTreeMap<&'static str, String> = real.await?.into_iter().collect();
        let mut world = World::default();
        for (short, name) in &real {
            // Every namespace carries its own name besides.
            let labels = [(NS, *short), ("kubernetes.io/metadata.name", name.as_str())];
            let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
            world.namespaces.insert(name.clone(), labels.into());
        }
        let mut fixture = Self {
            client,
            namespaces: real,
            names: Vec::new(),
            sessions: Vec::new(),
            doors: Vec::new(),
            still: World::default(),
            world,
        };
        for change in before {
            fixture.change(change).await.map_err(|why| format!("{change}: {why}"))?;
        }
        fixture.populate(env, namespaces).await?;
        fixture.still = World { policies: Vec::new(), ..fixture.world.clone() };
        Ok(fixture)
    }

    async fn populate(&mut self, env: &Arc<Env>, namespaces: &[&'static str]) -> Result<(), String> {
        let nodes: Vec<&NodeFacts> = env.nodes().collect();
        if nodes.is_empty() {
            return Err("no node is ready and free of taints: no probe can be placed".into());
        }
        let placed = namespaces.iter().flat_map(|short| PODS.iter().map(move |pod| (*short, *pod))).enumerate();
        let started = placed.map(|(place, (short, pod))| {
            // Each namespace begins on another node: every relation is met on one node and across nodes.
            let node = nodes[(place + place / PODS.len()) % nodes.len()];
            let (namespace, client) = (&self.namespaces[short], self.client.clone());
            async move {
                let mut labels = env.sandbox.labels();
                labels.insert(POD.into(), pod.into());
                let plain = Outfit::plain(&env.sandbox, namespace, node);
                let own = Outfit {
                    name: pod.into(),
                    labels: labels.clone(),
                    args: LISTENING.serve(),
                    named: &PORTS,
                    ..plain
                };
                let probe = env.probes.start(&env.sandbox, namespace, node, own).await?;
                let session = Session::open(&Api::namespaced(client, namespace), pod).await?;
                let seen = PolicyPod { namespace: namespace.clone(), labels, address: probe.address };
                Ok::<_, String>((format!("{short}/{pod} on {}", probe.node), seen, session))
            }
        });
        for (name, pod, session) in try_join_all(started).await? {
            self.names.push(name);
            self.world.pods.push(pod);
            self.sessions.push(session);
        }
        Ok(())
    }

    /// Opens other ways to a pod: a Service of type NodePort, by its own address and by those of all nodes.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn open_doors(&mut self, env: &Arc<Env>, short: &'static str, pod: &'static str) -> Result<(), String> {
        let behind = self.place(short, pod).ok_or("there is no such pod")?;
        let namespace = self.namespaces[short].clone();
        let ports = PORTS.iter().filter(|port| port.number == PORTS[0].number);
        let ports: Vec<Value> = ports
            .map(|port| json!({ "name": port.name, "protocol": port.protocol.name(), "port": port.number }))
            .collect();
        let service = json!({
            "metadata": { "name": pod, "labels": env.sandbox.labels(), "annotations": env.sandbox.annotations() },
            // Probes are never Ready.
            "spec": { "type": "NodePort", "selector": { POD: pod }, "publishNotReadyAddresses": true, "ports": ports },
        });
        let service: Service = serde_json::from_value(service).map_err(|error| error.to_string())?;
        let made = env.sandbox.make(&namespace, &service).await;
        let made = made.map_err(|error| format!("a Service cannot be made in {namespace}: {}", told(&error)))?;
        let spec = made.spec.unwrap_or_default();
        let own: IpAddr = spec.cluster_ip.unwrap_or_default().parse().map_err(|_| "the Service has no address")?;
        for port in spec.ports.unwrap_or_default() {
            let Some(inner) = PORTS.iter().find(|inner| port.name.as_deref() == Some(inner.name)) else { continue };
            let door = |name: String, address, number| Door { name, behind, port: *inner, address, number };
            self.doors.push(door("its Service".into(), own, inner.number));
            let Some(number) = port.node_port.and_then(|number| u16::try_from(number).ok()) else { continue };
            for node in &env.facts.nodes {
                let address = node.addresses.iter().find_map(|address| address.parse().ok());
                self.doors
                    .extend(address.map(|address| door(format!("a port of node {}", node.name), address, number)));
            }
        }
        Ok(())
    }

    /// Each pod of `from` on its way to its namesake in `to`, over TCP.
    pub(crate) fn watched(&mut self, from: &str, to: &str) -> Vec<Watched<'_>> {
        let ways: Vec<(usize, Verb)> = PODS
            .iter()
            .filter_map(|pod| {
                let to = self.world.pods[self.place(to, pod)?].address;
                Some((self.place(from, pod)?, Verb::Tcp { to, port: PORTS[0].number }))
            })
            .collect();
        let sessions = self.sessions.iter_mut().enumerate();
        let watched = sessions.filter_map(|(place, session)| {
            let verb = ways.iter().find(|(from, _)| *from == place)?.1.clone();
            Some(Watched { session, verb })
        });
        watched.collect()
    }

    fn place(&self, short: &str, pod: &str) -> Option<usize> {
        let name = format!("{short}/{pod} ");
        self.names.iter().position(|found| found.starts_with(&name))
    }

    /// How many pods it has.
    pub fn pods(&self) -> usize {
        self.world.pods.len()
    }

    /// Goes through a case, and leaves the fixture as it was.
    ///
    /// # Errors
    /// Where the API server refuses a change, or an exec broke.
    pub async fn hold(&mut self, case: &Case, limit: Duration) -> Result<Held, String> {
        let held = self.go_through(case, limit).await;
        self.restore().await?;
        held
    }

    async fn go_through(&mut self, case: &Case, limit: Duration) -> Result<Held, String> {
        let mut held = Held::default();
        for stage in &case.stages {
            for change in stage {
                self.change(change).await.map_err(|why| format!("{change}: {why}"))?;
            }
            let start = Instant::now();
            loop {
                let begun = start.elapsed();
                let within = if begun > limit { WITHIN_AT_LAST } else { WITHIN };
                let observed = self.observe(within).await?;
                let deviations = Deviations::of(&self.world, &observed, |pod| self.name(pod));
                if deviations.is_empty() {
                    held.converged_ms.push(begun.as_millis() as u64);
                    let open = observed.iter().filter(|(path, _)| path.granted(&self.world)).count();
                    held.open += open;
                    held.closed += observed.len() - open;
                    break;
                }
                let limit = if deviations.leaking.is_empty() { limit * PATIENCE } else { limit };
                if start.elapsed() > limit {
                    let after = stage.iter().map(|change| format!(", {change}")).collect();
                    held.stuck = Some((after, deviations));
                    return Ok(held);
                }
                sleep(AGAIN_AFTER).await;
            }
        }
        Ok(held)
    }

    /// Tries every path.
    async fn observe(&mut self, within: Duration) -> Result<Vec<(Path, Answer)>, String> {
        let (world, doors) = (&self.world, &self.doors);
        let looks = self.sessions.iter_mut().enumerate().map(|(from, session)| async move {
            let paths = paths_from(from, world, &PORTS, doors);
            let verbs: Vec<Verb> = paths.iter().map(Path::verb).collect();
            let answers = session.ask(&verbs, within).await?;
            Ok::<_, String>(paths.into_iter().zip(answers).collect::<Vec<_>>())
        });
        let observed: Result<Vec<_>, _> = join_all(looks).await.into_iter().collect();
        Ok(observed?.concat())
    }

    fn name(&self, pod: &PolicyPod) -> String {
        let place = self.world.pods.iter().position(|found| found.address == pod.address);
        place.map_or_else(String::new, |place| self.names[place].clone())
    }

    pub(crate) async fn change(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Apply { namespace, name, spec } => self.apply(namespace, name, spec).await,
            Change::Delete { namespace, name } => {
                let namespace = self.namespaces[namespace].clone();
                self.delete(&namespace, name).await
            }
            Change::LabelPod { namespace, pod, key, value } => {
                let namespace = self.namespaces[namespace].clone();
                self.label_pod(&namespace, pod, key, *value).await
            }
            Change::LabelNamespace { namespace, key, value } => {
                let namespace = self.namespaces[namespace].clone();
                self.label_namespace(&namespace, key, *value).await
            }
        }
    }

    async fn apply(&mut self, short: &str, name: &str, spec: &Value) -> Result<(), String> {
        let namespace = self.namespaces[short].clone();
        let policy = json!({ "metadata": { "name": name, "namespace": namespace }, "spec": self.filled(spec) });
        let policy: NetworkPolicy = serde_json::from_value(policy).map_err(|error| error.to_string())?;
        let api: Api<NetworkPolicy> = Api::namespaced(self.client.clone(), &namespace);
        let known = self.world.policies.iter_mut().find(|known| is(known, &namespace, name));
        let made = match &known {
            Some(_) => api.replace(name, &PostParams::default(), &policy).await,
            None => api.create(&PostParams::default(), &policy).await,
        };
        made.map_err(|error| told(&error))?;
        match known {
            Some(known) => *known = policy,
            None => self.world.policies.push(policy),
        }
        Ok(())
    }

    /// The spec with its pods' addresses.
    fn filled(&self, spec: &Value) -> Value {
        match spec {
            Value::String(text) => match text.strip_prefix('@') {
                Some(pod) => {
                    let place = self.place(pod.get(..1).unwrap_or_default(), pod.get(1..).unwrap_or_default());
                    let address = place.map(|place| self.world.pods[place].address.to_string());
                    let bits = if address.as_ref().is_some_and(|address| address.contains(':')) { 128 } else { 32 };
                    json!(format!("{}/{bits}", address.unwrap_or_default()))
                }
                None => spec.clone(),
            },
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), self.filled(value))).collect(),
            other => other.clone(),
        }
    }

    async fn delete(&mut self, namespace: &str, name: &str) -> Result<(), String> {
        let api: Api<NetworkPolicy> = Api::namespaced(self.client.clone(), namespace);
        api.delete(name, &DeleteParams::default()).await.map_err(|error| told(&error))?;
        self.world.policies.retain(|policy| !is(policy, namespace, name));
        Ok(())
    }

    async fn label_pod(&mut self, namespace: &str, pod: &str, key: &str, value: Option<&str>) -> Result<(), String> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let patch = Patch::Merge(json!({ "metadata": { "labels": { key: value } } }));
        api.patch_metadata(pod, &PatchParams::default(), &patch).await.map_err(|error| told(&error))?;
        let is =
            |found: &PolicyPod| found.namespace == namespace && found.labels.get(POD).is_some_and(|name| name == pod);
        // A pod that loses its own name is found by its place.
        let place = self.still.pods.iter().position(is).ok_or("there is no such pod")?;
        set(&mut self.world.pods[place].labels, key, value);
        Ok(())
    }

    async fn label_namespace(&mut self, namespace: &str, key: &str, value: Option<&str>) -> Result<(), String> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({ "metadata": { "labels": { key: value } } }));
        api.patch_metadata(namespace, &PatchParams::default(), &patch).await.map_err(|error| told(&error))?;
        set(self.world.namespaces.entry(namespace.to_owned()).or_default(), key, value);
        Ok(())
    }

    /// Takes away a case's policies, and gives labels their former values.
    async fn restore(&mut self) -> Result<(), String> {
        for policy in self.world.policies.clone() {
            let name = policy.metadata.name.unwrap_or_default();
            self.delete(&policy.metadata.namespace.unwrap_or_default(), &name).await?;
        }
        for place in 0..self.world.pods.len() {
            let (now, still) = (self.world.pods[place].clone(), self.still.pods[place].labels.clone());
            for (key, value) in differences(&now.labels, &still) {
                self.label_pod(&now.namespace, &still[POD], &key, value.as_deref()).await?;
            }
        }
        for (namespace, still) in self.still.namespaces.clone() {
            for (key, value) in differences(&self.world.namespaces[&namespace], &still) {
                self.label_namespace(&namespace, &key, value.as_deref()).await?;
            }
        }
        Ok(())
    }
}

fn is(policy: &NetworkPolicy, namespace: &str, name: &str) -> bool {
    policy.metadata.namespace.as_deref() == Some(namespace) && policy.metadata.name.as_deref() == Some(name)
}

fn set(labels: &mut BTreeMap<String, String>, key: &str, value: Option<&str>) {
    match value {
        Some(value) => labels.insert(key.into(), value.into()),
        None => labels.remove(key),
    };
}

/// What makes `now` into `still`.
fn differences(now: &BTreeMap<String, String>, still: &BTreeMap<String, String>) -> Vec<(String, Option<String>)> {
    let keys = now.keys().chain(still.keys()).collect::<std::collections::BTreeSet<_>>();
    let differing = keys.into_iter().filter(|key| now.get(*key) != still.get(*key));
    differing.map(|key| (key.clone(), still.get(key).cloned())).collect()
}
