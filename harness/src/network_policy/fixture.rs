//! Some namespaces of the run's own, with some pods in each, and nobody else's policy: what a cluster does with NetworkPolicy can be held
//! to the specification there, path by path.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all, try_join_all};
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::env::Env;
use crate::network_policy::case::{Case, Change};
use crate::network_policy::matrix::{Deviations, Door, Path, paths_from};
use crate::network_policy::model::{PolicyPod, Port, Protocol, World};
use crate::pace::Pace;
use crate::probe::Probe;
use crate::probe::batch::{Answer, Touch, Verb};
use crate::probe::pod::Listening;
use crate::probe::session::Session;
use crate::probe::start::Outfit;
use crate::record::facts::NodeFacts;
use crate::standard::SIDECARS_SINCE;
use crate::told::told as in_words;

/// What every pod listens on: two neighbours for ranges, one beyond them, and UDP beside TCP on the same number.
pub const PORTS: [Port; 4] = [
    Port { name: "web", protocol: Protocol::Tcp, number: 8080 },
    Port { name: "alt", protocol: Protocol::Tcp, number: 8081 },
    Port { name: "far", protocol: Protocol::Tcp, number: 8090 },
    Port { name: "echo", protocol: Protocol::Udp, number: 8080 },
];
/// What the first pod's sidecar calls a port besides, and nobody else does.
const BESIDE: Port = Port { name: "beside", ..PORTS[1] };
const LISTENING: Listening =
    Listening { tcp: Cow::Borrowed(&[8080, 8081, 8090]), udp: Cow::Borrowed(&[8080]), kept: &[KEPT] };
/// Where connections are kept: no case names it.
pub(crate) const KEPT: u16 = 8095;

/// The pods of each namespace.
pub const PODS: [&str; 3] = ["a", "b", "c"];

/// How long what is sent may take to arrive, at the most. It is paid with every look at a closed path, so that it follows what the open
/// paths beside the closed ones take: so many times the slowest of them, ...
const WITHIN: Duration = Duration::from_millis(400);
const TIMES: u32 = 6;
/// ... and no less, for a packet that had to wait for its processor once.
const AT_LEAST: Duration = Duration::from_millis(60);
/// A look whose slowest open path took more than this part of what the closed ones were given says nothing about those.
const SURE: u32 = 4;

/// How long where that may have been too short: what is granted and still closed then may be late, for its pod or its node is busy.
const WITHIN_AT_LAST: Duration = Duration::from_millis(1500);

/// How many times longer than a leak something else may last: a path that stays open is what this is about, one that opens late is not.
const PATIENCE: u32 = 4;
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// A first look is worth while after this part of what the last change took.
const PART: u32 = 3;
/// What a change that shows nowhere is given to be taken up, at the most: about as long as engines have lately taken for one that shows.
const AT_MOST: Duration = Duration::from_millis(200);

/// The label by which cases name namespaces, and the one by which they name pods.
const NS: &str = "ns";
const POD: &str = "pod";

/// Looks of several fixtures at everything do not begin together: what is open would answer the later.
#[derive(Default)]
struct Bursts(Arc<tokio::sync::Mutex<()>>);

/// Some namespaces and pods.
pub struct Fixture {
    client: Client,
    pace: Pace,
    /// Real names by short ones.
    namespaces: BTreeMap<&'static str, String>,
    names: Vec<String>,
    sessions: Vec<Session>,
    doors: Vec<Door>,
    /// What holds there now.
    world: World,
    /// What holds there where no case changes it.
    still: World,
    /// What closed paths are given in the next look.
    within: Duration,
    /// How long the last change took to be taken up.
    taken_up_after: Duration,
    bursts: Arc<tokio::sync::Mutex<()>>,
    /// Cases so far: each has policies of names of its own.
    cases: usize,
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

/// One path, and who tries it.
pub(crate) struct Watched<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) verb: Verb,
}

/// A pod that a fixture asks for.
pub(crate) struct Wanted<'a> {
    pub(crate) namespace: String,
    pub(crate) node: &'a NodeFacts,
    pub(crate) outfit: Outfit<'static>,
    /// As cases name it: `x/a`.
    pub(crate) short: String,
}

impl Fixture {
    /// Namespaces and what holds there, and no pods yet; the names of a run's fixtures differ.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(crate) async fn laid_out(
        env: &Arc<Env>,
        name: &str,
        namespaces: &[&'static str],
        before: &[Change],
    ) -> Result<Self, String> {
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
            client: env.personas.operator.client.clone(),
            pace: env.traffic.pace().clone(),
            namespaces: real,
            names: Vec::new(),
            sessions: Vec::new(),
            doors: Vec::new(),
            still: World::default(),
            world,
            within: WITHIN,
            taken_up_after: AT_MOST,
            bursts: env.memory.of::<Bursts>().0.clone(),
            cases: 0,
        };
        fixture.change(before).await?;
        Ok(fixture)
    }

    /// Its pods, spread over the cluster's nodes; what each does besides listening, `args` say by its node's name.
    ///
    /// # Errors
    /// Where no node can host one.
    pub(crate) fn wanted<'a>(
        &self,
        env: &'a Env,
        args: &(dyn Fn(&str) -> Vec<String> + Sync),
    ) -> Result<Vec<Wanted<'a>>, String> {
        let nodes: Vec<&NodeFacts> = env.nodes().collect();
        if nodes.is_empty() {
            return Err("no node is ready and free of taints: no probe can be placed".into());
        }
        let places =
            self.namespaces.iter().enumerate().flat_map(|(k, both)| (0..PODS.len()).map(move |p| (k, p, both)));
        let wanted = places.map(|(k, p, (short, namespace))| {
            // Pods of one namespace and another's namesakes: each relation is met on one node and across nodes.
            let node = nodes[(p + usize::from(p > 0) * (k % 2) + k / 2) % nodes.len()];
            let mut labels = env.sandbox.labels();
            labels.insert(POD.into(), PODS[p].into());
            let args = [LISTENING.serve(), args(&node.name)].concat();
            let plain = Outfit::plain(&env.sandbox, namespace, node);
            let beside = (k == 0 && p == 0 && env.facts.minor() >= SIDECARS_SINCE).then_some(BESIDE);
            let outfit = Outfit { name: PODS[p].into(), labels, args, named: &PORTS, beside, ..plain };
            Wanted { namespace: namespace.clone(), node, outfit, short: format!("{short}/{}", PODS[p]) }
        });
        Ok(wanted.collect())
    }

    /// Takes over the pods that it wanted, once they run, in their order.
    ///
    /// # Errors
    /// Where an exec does not start.
    pub(crate) async fn adopt(&mut self, pods: Vec<(Wanted<'_>, Probe)>) -> Result<(), String> {
        let (client, pace) = (&self.client, &self.pace);
        let adopted = pods.into_iter().map(|(wanted, probe)| async move {
            let session = Session::open(&Api::namespaced(client.clone(), &wanted.namespace), &probe.pod, pace).await?;
            let Wanted { namespace, outfit, short, .. } = wanted;
            let seen = PolicyPod { namespace, labels: outfit.labels, address: probe.address, beside: outfit.beside };
            Ok::<_, String>((format!("{short} on {}", probe.node), seen, session))
        });
        for (name, pod, session) in try_join_all(adopted).await? {
            self.names.push(name);
            self.world.pods.push(pod);
            self.sessions.push(session);
        }
        self.still = World { policies: Vec::new(), ..self.world.clone() };
        Ok(())
    }

    /// Its pods' sessions, in their order.
    pub(crate) fn sessions(&mut self) -> impl Iterator<Item = &mut Session> {
        self.sessions.iter_mut()
    }

    /// Closes them again, as far as looks go: the Service goes with its namespace.
    pub(crate) fn close_doors(&mut self) {
        self.doors.clear();
    }

    /// Opens other ways to a pod: a Service of type NodePort, by its own address and by those of all nodes, but for those that are `closed` to
    /// every pod.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub(crate) async fn open_doors(
        &mut self,
        env: &Arc<Env>,
        (short, pod): (&'static str, &'static str),
        closed: &[IpAddr],
    ) -> Result<(), String> {
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
        let made = made.map_err(|error| format!("a Service cannot be made in {namespace}: {}", in_words(&error)))?;
        let spec = made.spec.unwrap_or_default();
        let own: IpAddr = spec.cluster_ip.unwrap_or_default().parse().map_err(|_| "the Service has no address")?;
        for port in spec.ports.unwrap_or_default() {
            let Some(inner) = PORTS.iter().find(|inner| port.name.as_deref() == Some(inner.name)) else { continue };
            let door = |name: String, address, number| Door { name, behind, port: *inner, address, number };
            self.doors.push(door("its Service".into(), own, inner.number));
            let Some(number) = port.node_port.and_then(|number| u16::try_from(number).ok()) else { continue };
            for node in env.facts.nodes.iter().filter(|node| node.out_of_reach().is_none()) {
                let address = node.addresses.iter().find_map(|address| address.parse().ok());
                let address = address.filter(|address| !closed.contains(address));
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

    /// An exec of its own in the first pod of `from`, beside the one that looks at paths; and where its namesake in `to` is.
    ///
    /// # Errors
    /// Where there is no such pod, or the exec does not start.
    pub(crate) async fn beside(&mut self, from: &str, to: &str) -> Result<(Session, IpAddr), String> {
        let (pods, address) = {
            let pod = |short| self.place(short, PODS[0]).map(|place| &self.world.pods[place]);
            let (Some(from), Some(to)) = (pod(from), pod(to)) else { return Err("there is no such pod".into()) };
            (Api::namespaced(self.client.clone(), &from.namespace), to.address)
        };
        let pace = self.pace.clone();
        Ok((Session::open(&pods, PODS[0], &pace).await?, address))
    }

    fn place(&self, short: &str, pod: &str) -> Option<usize> {
        let name = format!("{short}/{pod} ");
        self.names.iter().position(|found| found.starts_with(&name))
    }

    /// How many pods it has.
    pub fn pods(&self) -> usize {
        self.world.pods.len()
    }

    /// Goes through a case. What it leaves holds until the next one begins, which takes it away with its own first changes.
    ///
    /// # Errors
    /// Where the API server refuses a change, or an exec broke.
    pub async fn hold(&mut self, case: &Case, limit: Duration) -> Result<Held, String> {
        self.cases += 1;
        self.go_through(self.still.clone(), case, limit).await
    }

    /// ... from what holds there now on.
    ///
    /// # Errors
    /// As [`Fixture::hold`].
    pub(crate) async fn go_on(&mut self, case: &Case, limit: Duration) -> Result<Held, String> {
        self.go_through(self.world.clone(), case, limit).await
    }

    /// Takes away whatever a case has left.
    ///
    /// # Errors
    /// Where the API server refuses that.
    pub(crate) async fn clear(&mut self) -> Result<(), String> {
        self.cases += 1;
        self.becomes(self.still.clone()).await
    }

    async fn go_through(&mut self, mut next: World, case: &Case, limit: Duration) -> Result<Held, String> {
        let mut held = Held::default();
        for stage in &case.stages {
            next = self.changed(next, stage)?;
            let before = self.world.clone();
            self.becomes(next.clone()).await.map_err(|why| format!("{}: {why}", told(stage)))?;
            let start = Instant::now();
            self.taken_up(&before, start, limit).await?;
            loop {
                let turn = self.bursts.clone().lock_owned().await;
                let begun = start.elapsed();
                let within = if begun > limit { WITHIN_AT_LAST } else { self.within };
                let slowest = self.within / TIMES;
                let apart = async {
                    sleep(slowest).await;
                    drop(turn);
                };
                let (observed, ()) = tokio::join!(self.observe(|_| true, within), apart);
                let observed = observed?;
                let sure = self.paced_by(&observed, within);
                let deviations = Deviations::of(&self.world, &observed, |pod| self.name(pod));
                if deviations.is_empty() && sure {
                    held.converged_ms.push(begun.as_millis() as u64);
                    let open = observed.iter().filter(|(path, _)| path.granted(&self.world)).count();
                    held.open += open;
                    held.closed += observed.len() - open;
                    break;
                }
                let limit = if deviations.leaking.is_empty() { limit * PATIENCE } else { limit };
                if start.elapsed() > limit && !deviations.is_empty() {
                    let after = stage.iter().map(|change| format!(", {change}")).collect();
                    held.stuck = Some((after, deviations));
                    return Ok(held);
                }
                sleep(AGAIN_AFTER).await;
            }
        }
        Ok(held)
    }

    /// Waits until the paths that a change opens or closes are so, or `limit` is over: a look at all of them costs many times as much, and one
    /// that comes too early is in vain. A change that shows nowhere is given what the last one took.
    async fn taken_up(&mut self, before: &World, start: Instant, limit: Duration) -> Result<(), String> {
        let now = self.world.clone();
        let mut within = AT_LEAST;
        sleep(self.taken_up_after / PART * u32::from(now != *before)).await;
        loop {
            let turned = self.observe(|path| path.granted(before) != path.granted(&now), within).await?;
            if turned.is_empty() {
                sleep(self.taken_up_after * u32::from(now != *before)).await;
                return Ok(());
            }
            let deviations = Deviations::of(&now, &turned, |_| String::new());
            if deviations.is_empty() {
                self.taken_up_after = start.elapsed().min(AT_MOST);
                return Ok(());
            }
            if start.elapsed() > limit {
                return Ok(());
            }
            // What is open may not get through so soon.
            within = (within * if deviations.cut.is_empty() { 1 } else { 2 }).min(WITHIN);
            sleep(AGAIN_AFTER).await;
        }
    }

    /// Tries the paths that are `wanted`.
    async fn observe(
        &mut self,
        wanted: impl Fn(&Path) -> bool,
        within: Duration,
    ) -> Result<Vec<(Path, Answer)>, String> {
        let (world, doors) = (&self.world, &self.doors);
        let wanted = &wanted;
        let looks = self.sessions.iter_mut().enumerate().map(|(from, session)| async move {
            let mut paths = paths_from(from, world, &PORTS, doors);
            paths.retain(|path| wanted(path) && !path.left_open(world));
            if paths.is_empty() {
                return Ok(Vec::new());
            }
            let verbs: Vec<Verb> = paths.iter().map(Path::verb).collect();
            let answers = session.ask(&verbs, within).await?;
            Ok::<_, String>(paths.into_iter().zip(answers).collect::<Vec<_>>())
        });
        let observed: Result<Vec<_>, _> = join_all(looks).await.into_iter().collect();
        Ok(observed?.concat())
    }

    /// Whether what was open answered soon enough for what did not answer to be closed; the next look is given what this one's took.
    fn paced_by(&mut self, observed: &[(Path, Answer)], within: Duration) -> bool {
        let open = observed.iter().filter(|(_, answer)| answer.touch() == Touch::Reached).map(|(_, answer)| answer.ms);
        let sure;
        (self.within, sure) = paced(open.max().map(Duration::from_millis), within);
        sure
    }

    fn name(&self, pod: &PolicyPod) -> String {
        let place = self.world.pods.iter().position(|found| found.address == pod.address);
        place.map_or_else(String::new, |place| self.names[place].clone())
    }

    /// Makes `changes`, all at once.
    ///
    /// # Errors
    /// Where the API server refuses one.
    pub(crate) async fn change(&mut self, changes: &[Change]) -> Result<(), String> {
        let next = self.changed(self.world.clone(), changes)?;
        self.becomes(next).await.map_err(|why| format!("{}: {why}", told(changes)))
    }

    /// What would hold after `changes`.
    fn changed(&self, mut world: World, changes: &[Change]) -> Result<World, String> {
        for change in changes {
            match change {
                Change::Apply { namespace, name, spec } => {
                    let (namespace, name) = (&self.namespaces[namespace], self.policy(name));
                    let policy =
                        json!({ "metadata": { "name": name, "namespace": namespace }, "spec": self.filled(spec) });
                    let policy: NetworkPolicy = serde_json::from_value(policy).map_err(|error| error.to_string())?;
                    world.policies.retain(|known| !is(known, namespace, &name));
                    world.policies.push(policy);
                }
                Change::Delete { namespace, name } => {
                    let (namespace, name) = (&self.namespaces[namespace], self.policy(name));
                    world.policies.retain(|known| !is(known, namespace, &name));
                }
                Change::LabelPod { namespace, pod, key, value } => {
                    let namespace = &self.namespaces[namespace];
                    // A pod that loses its own name is found by its place.
                    let is = |found: &PolicyPod| {
                        found.namespace == *namespace && found.labels.get(POD).is_some_and(|name| name == pod)
                    };
                    let place = self.still.pods.iter().position(is).ok_or("there is no such pod")?;
                    set(&mut world.pods[place].labels, key, *value);
                }
                Change::LabelNamespace { namespace, key, value } => {
                    let namespace = self.namespaces[namespace].clone();
                    set(world.namespaces.entry(namespace).or_default(), key, *value);
                }
            }
        }
        Ok(world)
    }

    /// What a policy of this case is called: one of the last case's that goes must not be taken for it.
    fn policy(&self, name: &str) -> String {
        format!("{name}-{}", self.cases)
    }

    /// Has the API server make what holds now into `next`, with one request for each object that differs and all of them at once: an engine
    /// that writes its tables anew does so once.
    async fn becomes(&mut self, next: World) -> Result<(), String> {
        let of = |policy: &NetworkPolicy| {
            let meta = &policy.metadata;
            (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
        };
        let policies = |namespace: &str| Api::<NetworkPolicy>::namespaced(self.client.clone(), namespace);
        let mut requests: Vec<BoxFuture<'static, Result<(), kube::Error>>> = Vec::new();
        for known in &self.world.policies {
            let (namespace, name) = of(known);
            if !next.policies.iter().any(|policy| is(policy, &namespace, &name)) {
                let api = policies(&namespace);
                requests.push(async move { api.delete(&name, &DeleteParams::default()).await.map(drop) }.boxed());
            }
        }
        for policy in &next.policies {
            let (namespace, name) = of(policy);
            let (api, policy) = (policies(&namespace), policy.clone());
            match self.world.policies.iter().find(|known| is(known, &namespace, &name)) {
                Some(known) if *known == policy => {}
                Some(_) => requests
                    .push(async move { api.replace(&name, &PostParams::default(), &policy).await.map(drop) }.boxed()),
                None => {
                    requests.push(async move { api.create(&PostParams::default(), &policy).await.map(drop) }.boxed());
                }
            }
        }
        for ((now, then), still) in self.world.pods.iter().zip(&next.pods).zip(&self.still.pods) {
            let changed = differences(&now.labels, &then.labels);
            if !changed.is_empty() {
                let api: Api<Pod> = Api::namespaced(self.client.clone(), &now.namespace);
                let name = still.labels[POD].clone();
                let patch = labels(&changed);
                requests.push(
                    async move { api.patch_metadata(&name, &PatchParams::default(), &patch).await.map(drop) }.boxed(),
                );
            }
        }
        for (name, then) in &next.namespaces {
            let changed = self.world.namespaces.get(name).map(|now| differences(now, then)).unwrap_or_default();
            if !changed.is_empty() {
                let (api, name): (Api<Namespace>, _) = (Api::all(self.client.clone()), name.clone());
                let patch = labels(&changed);
                requests.push(
                    async move { api.patch_metadata(&name, &PatchParams::default(), &patch).await.map(drop) }.boxed(),
                );
            }
        }
        join_all(requests).await.into_iter().collect::<Result<Vec<()>, _>>().map_err(|error| in_words(&error))?;
        self.world = next;
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
}

/// What the next look gives closed paths, by the slowest open one of a look that gave them `within`; and whether that look was sure of them.
fn paced(slowest: Option<Duration>, within: Duration) -> (Duration, bool) {
    // Nothing open to go by: only the whole time will do.
    let Some(slowest) = slowest else { return (WITHIN, within >= WITHIN) };
    (given(slowest, AT_LEAST, WITHIN), within >= WITHIN || slowest * SURE <= within)
}

/// What a packet is given where the slowest that got through took `slowest`.
pub(super) fn given(slowest: Duration, at_least: Duration, at_most: Duration) -> Duration {
    (slowest * TIMES).clamp(at_least, at_most)
}

fn told(changes: &[Change]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn labels(changed: &[(String, Option<String>)]) -> Patch<Value> {
    let labels: serde_json::Map<String, Value> =
        changed.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    Patch::Merge(json!({ "metadata": { "labels": labels } }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::quick(Some(2), 400, 60, true)]
    #[case::quick_and_given_little(Some(2), 60, 60, true)]
    #[case::too_slow_for_what_was_given(Some(40), 60, 240, false)]
    #[case::given_more_the_next_time(Some(40), 240, 240, true)]
    #[case::slow(Some(200), 240, 400, false)]
    #[case::nobody_answers_sooner_here(Some(300), 400, 400, true)]
    #[case::nothing_open(None, 60, 400, false)]
    #[case::nothing_open_for_the_whole_time(None, 400, 400, true)]
    fn closed_paths_are_given_what_open_ones_take(
        #[case] slowest: Option<u64>,
        #[case] within: u64,
        #[case] next: u64,
        #[case] sure: bool,
    ) {
        let found = paced(slowest.map(Duration::from_millis), Duration::from_millis(within));
        assert_eq!((found.0.as_millis() as u64, found.1), (next, sure));
    }
}
