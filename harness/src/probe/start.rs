//! Starting agents, each when it is first needed and once for all scenarios.
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, ListParams};
use kube::core::ObjectMeta;
use kube::runtime::wait::{Condition, await_condition};
use kube::{Client, Error};
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use crate::network_policy::model::Port;
use crate::pace::Pace;
use crate::probe::asked::Asked;
use crate::probe::begun::Begun;
use crate::probe::exec::Line;
use crate::probe::pod::{AgentPod, CONTAINER, Listening};
use crate::probe::room::Rooms;
use crate::probe::{Probe, agent};
use crate::record::facts::{NodeFacts, ProbeFacts};
use crate::sandbox::Sandbox;
use crate::standard::ENFORCED;
use crate::told::told;

/// A pod that does not run by then on an idle cluster never will.
const RUNNING_WITHIN: Duration = Duration::from_secs(60);

/// One that has not come by then on an idle cluster is held up by something else than how many come at once.
const MOVING_WITHIN: Duration = Duration::from_secs(10);

/// A priority class that no API server knows of by then never arrives.
const CLASS_KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// The image that agents are started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentImage {
    /// Reference by digest.
    pub reference: String,
    /// Whether a node may pull it: only where the user named it.
    pub pull: bool,
    /// The same image by a tag that it has, as nodes list it.
    pub tag: Option<String>,
}

/// What stands for an image in pods that are never to run: Kubernetes' own pause, 3.10.
const PAUSE: &str = "registry.k8s.io/pause";
const PAUSE_TAG: &str = "3.10";
const PAUSE_DIGEST: &str = "sha256:ee6521f290b2168b6e0935a181d4cff9be1ac3f505666ef0e3c98fae8199917a";

impl AgentImage {
    /// One by digest that nobody need have: admission looks at names, and nothing is pulled for a dry run.
    pub(crate) fn in_name_only() -> Self {
        Self { reference: format!("{PAUSE}@{PAUSE_DIGEST}"), pull: false, tag: Some(format!("{PAUSE}:{PAUSE_TAG}")) }
    }

    /// The same repository by tag: one that the image has, where that is known, for whoever asks the registry refuses what is not there.
    pub(crate) fn tagged(&self) -> Option<String> {
        let (repository, _) = self.reference.split_once('@')?;
        let repository =
            repository.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(repository, |(all, _)| all);
        Some(self.tag.clone().unwrap_or_else(|| format!("{repository}:latest")))
    }
}

/// What tells one agent's pod from another's.
#[derive(Clone, Debug)]
pub struct Outfit<'a> {
    /// The pod's name.
    pub name: String,
    /// Its labels, the run's among them.
    pub labels: BTreeMap<String, String>,
    /// What the agent does.
    pub args: Vec<String>,
    /// Ports that have a name.
    pub named: &'a [Port],
    /// A port that only a container beside it names.
    pub beside: Option<Port>,
    /// Whether it runs on its node's own network.
    pub host_network: bool,
}

impl Outfit<'_> {
    /// Nothing special, and it listens nowhere.
    pub(crate) fn plain(sandbox: &Sandbox, namespace: &str, node: &NodeFacts) -> Self {
        Self {
            name: format!("oke-conformance-{}-{:08x}", sandbox.run, fnv(&format!("{namespace}/{}", node.name))),
            labels: sandbox.labels(),
            args: Listening::on(&[], &[]).serve(),
            named: &[],
            beside: None,
            host_network: false,
        }
    }
}

type Started = Begun<Arc<Probe>>;
type Carried = Arc<OnceCell<Result<(String, String), String>>>;

/// The run's agents by namespace and node.
pub struct Probes {
    client: Client,
    image: Result<AgentImage, String>,
    listening: Listening,
    started: Mutex<HashMap<(String, String), Started>>,
    rooms: Rooms,
    carried: Mutex<HashMap<String, Carried>>,
    placed: AtomicUsize,
    last_start_ms: AtomicU64,
    pace: Pace,
}

impl Probes {
    /// No agent yet. `image` may be an error: then every start is, with its words.
    pub fn new(client: Client, image: Result<AgentImage, String>, listening: Listening, pace: Pace) -> Self {
        Self {
            client,
            image,
            listening,
            started: Mutex::default(),
            rooms: Rooms::default(),
            carried: Mutex::default(),
            placed: AtomicUsize::new(0),
            last_start_ms: AtomicU64::new(0),
            pace,
        }
    }

    /// The image that agents run from.
    ///
    /// # Errors
    /// Why there is none.
    pub fn image(&self) -> Result<&AgentImage, String> {
        self.image.as_ref().map_err(Clone::clone)
    }

    /// An image for pods that are never to run: the same, or where no node has one in common with the others any.
    pub(crate) fn image_in_name(&self) -> AgentImage {
        self.image.clone().unwrap_or_else(|_| AgentImage::in_name_only())
    }

    /// A TCP port of every agent, where it answers.
    pub(crate) fn answering(&self) -> u16 {
        self.listening.tcp.first().copied().unwrap_or_default()
    }

    /// A UDP port of every agent, where it sends back what it gets.
    pub fn echoing(&self) -> u16 {
        self.listening.udp.first().copied().unwrap_or_default()
    }

    /// How many pods were made.
    pub fn placed(&self) -> usize {
        self.placed.load(Ordering::Relaxed)
    }

    /// From the request that made it to running, of the pod that was started last, in milliseconds.
    pub(crate) fn last_start_ms(&self) -> u64 {
        self.last_start_ms.load(Ordering::Relaxed)
    }

    /// The agents that run, by namespace and node.
    pub fn running(&self) -> Vec<ProbeFacts> {
        let started = self.started.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let running = started.values().filter_map(Begun::peek);
        let mut facts: Vec<ProbeFacts> = running
            .map(|probe| ProbeFacts {
                namespace: probe.namespace.clone(),
                node: probe.node.clone(),
                pod: probe.pod.clone(),
                running_after_ms: probe.running_after_ms,
                strangers: probe.asked.strangers.clone(),
            })
            .collect();
        facts.sort_by(|a, b| (&a.namespace, &a.node).cmp(&(&b.namespace, &b.node)));
        facts
    }

    /// The agent in `namespace` on `node`, started if it is not there yet.
    ///
    /// # Errors
    /// Why it does not run; the same for everybody who asks.
    pub async fn get(
        self: &Arc<Self>,
        sandbox: &Arc<Sandbox>,
        namespace: &str,
        node: &NodeFacts,
    ) -> Result<Arc<Probe>, String> {
        let outfit = Outfit { args: self.listening.serve(), ..Outfit::plain(sandbox, namespace, node) };
        self.get_as(sandbox, namespace, node, outfit).await
    }

    /// The agent on `node`'s own network, in the run's own namespace for such pods. It listens nowhere.
    ///
    /// # Errors
    /// As [`Probes::get`].
    pub async fn on_host(self: &Arc<Self>, sandbox: &Arc<Sandbox>, node: &NodeFacts) -> Result<Arc<Probe>, String> {
        let namespace = sandbox.namespace("-host", &[(ENFORCED, "privileged")]).await?;
        let outfit = Outfit { host_network: true, ..Outfit::plain(sandbox, &namespace, node) };
        self.get_as(sandbox, &namespace, node, outfit).await
    }

    async fn get_as(
        self: &Arc<Self>,
        sandbox: &Arc<Sandbox>,
        namespace: &str,
        node: &NodeFacts,
        outfit: Outfit<'static>,
    ) -> Result<Arc<Probe>, String> {
        let key = (namespace.to_owned(), node.name.clone());
        let started = {
            let mut started = self.started.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            started.entry(key).or_insert_with(|| self.begin(sandbox, namespace, node, outfit)).clone()
        };
        started.ended("the start of a probe").await
    }

    /// Starts an agent whatever becomes of whoever asked for it first: to begin once more would be refused as already there, and counted
    /// in the namespace's quotas all the same, until their controller looks again minutes later.
    fn begin(
        self: &Arc<Self>,
        sandbox: &Arc<Sandbox>,
        namespace: &str,
        node: &NodeFacts,
        outfit: Outfit<'static>,
    ) -> Started {
        let (probes, sandbox) = (self.clone(), sandbox.clone());
        let (namespace, node) = (namespace.to_owned(), node.clone());
        Begun::of(async move {
            if !sandbox.is_own(&namespace) {
                probes.rooms.take(&probes.client, &namespace).await?;
            }
            probes.start(&sandbox, &namespace, &node, outfit).await.map(Arc::new)
        })
    }

    /// An agent of its own kind in `namespace` on `node`, for whoever asks.
    ///
    /// # Errors
    /// Why it does not run.
    pub async fn start(
        &self,
        sandbox: &Sandbox,
        namespace: &str,
        node: &NodeFacts,
        outfit: Outfit<'_>,
    ) -> Result<Probe, String> {
        let name = outfit.name.clone();
        let what = format!("the probe in {namespace} on {}", node.name);
        let turn = self.pace.pods().turn().await;
        let (asked, within) = (Instant::now(), self.pace.pods().patience(RUNNING_WITHIN));
        self.place(sandbox, namespace, node, outfit).await?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        // Whoever does not come for so long, or finds no place, does not keep others waiting.
        let moving =
            timeout(self.pace.pods().patience(MOVING_WITHIN), await_condition(pods.clone(), &name, SettledOrNowhere))
                .await;
        let (turn, settled) = match moving {
            Ok(Ok(Some(pod))) if matches!(standing(&pod), Standing::Starting) => {
                drop(turn);
                (None, timeout(within, await_condition(pods.clone(), &name, Settled)).await)
            }
            Ok(settled) => (Some(turn), Ok(settled)),
            Err(_) => {
                turn.too_much();
                let rest = within.saturating_sub(asked.elapsed());
                (None, timeout(rest, await_condition(pods.clone(), &name, Settled)).await)
            }
        };
        let pod = match settled {
            Ok(Ok(pod)) => pod.ok_or_else(|| format!("{what} was deleted before it ran"))?,
            Ok(Err(error)) => return Err(format!("{what} cannot be watched: {error}")),
            Err(_) => {
                let named = ListParams::default().fields(&format!("metadata.name={name}"));
                let pod = pods.list(&named).await.ok().and_then(|list| list.items.into_iter().next());
                let why = pod.as_ref().and_then(waiting_for).unwrap_or_else(|| "no reason given".into());
                return Err(format!("{what} did not run within {} s: {why}", within.as_secs()));
            }
        };
        match standing(&pod) {
            Standing::Running => {}
            Standing::Stuck(why) => return Err(format!("{what} does not run: {why}")),
            Standing::Starting => return Err(format!("{what} does not run yet")),
        }
        let status = pod.status.as_ref();
        let address = status.and_then(|status| status.pod_ip.as_deref()).unwrap_or_default();
        let address: IpAddr = address.parse().map_err(|_| format!("{what} has no address"))?;
        let all = status.into_iter().flat_map(|status| status.pod_ips.iter().flatten());
        let others = all.filter_map(|all| all.ip.parse().ok()).filter(|other| *other != address).collect();
        if let Some(turn) = turn {
            turn.took(asked.elapsed());
        }
        self.pace.lives();
        let line = Line::open(self.client.clone(), namespace, &name, self.pace.clone());
        let running_after_ms = asked.elapsed().as_millis() as u64;
        self.last_start_ms.store(running_after_ms, Ordering::Relaxed);
        Ok(Probe {
            namespace: namespace.into(),
            pod: name,
            node: node.name.clone(),
            address,
            others,
            running_after_ms,
            asked: Asked::of(&pod),
            running_since: Instant::now(),
            line,
        })
    }

    /// Makes an agent's pod, and does not wait for it.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub(crate) async fn place(
        &self,
        sandbox: &Sandbox,
        namespace: &str,
        node: &NodeFacts,
        outfit: Outfit<'_>,
    ) -> Result<(), String> {
        let image = self.image()?;
        let (carrier, priority) = tokio::try_join!(self.carrier(sandbox, namespace), sandbox.priority())?;
        let pod = AgentPod {
            name: &outfit.name,
            namespace,
            node: &node.name,
            architecture: &node.architecture,
            image: &image.reference,
            pull: image.pull,
            priority,
            carrier: (&carrier.0, &carrier.1),
            labels: &outfit.labels,
            annotations: sandbox.annotations(),
            named: outfit.named,
            beside: outfit.beside,
            args: &outfit.args,
            host_network: outfit.host_network,
            taints: &node.taints,
            demanded: &sandbox.pods,
        };
        let what = format!("the probe in {namespace} on {}", node.name);
        let manifest = pod.manifest().map_err(|error| format!("{what} cannot be written down: {error}"))?;
        made(sandbox, namespace, &manifest).await.map_err(|error| format!("{what} was refused: {}", told(&error)))?;
        self.placed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The ConfigMap with the agent's binaries, name and uid: one a namespace.
    ///
    /// # Errors
    /// Why it cannot be made; the same for everybody who asks.
    pub(crate) async fn carrier(&self, sandbox: &Sandbox, namespace: &str) -> Result<(String, String), String> {
        let cell = self
            .carried
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .entry(namespace.to_owned())
            .or_default()
            .clone();
        cell.get_or_init(|| async {
            let name = format!("oke-conformance-{}", sandbox.run);
            let binaries: BTreeMap<String, ByteString> = ["amd64", "arm64"]
                .into_iter()
                .filter_map(|architecture| {
                    Some((architecture.to_owned(), ByteString(agent::binary(architecture)?.to_vec())))
                })
                .collect();
            let carrier = ConfigMap {
                metadata: ObjectMeta {
                    name: Some(name.clone()),
                    namespace: Some(namespace.to_owned()),
                    labels: Some(sandbox.labels()),
                    annotations: Some(sandbox.annotations().clone()),
                    ..ObjectMeta::default()
                },
                binary_data: Some(binaries),
                immutable: Some(true),
                ..ConfigMap::default()
            };
            let made = sandbox.make(namespace, &carrier).await;
            let made =
                made.map_err(|error| format!("the agent cannot be carried into {namespace}: {}", told(&error)))?;
            Ok((name, made.metadata.uid.unwrap_or_default()))
        })
        .await
        .clone()
    }
}

/// Makes the pod as soon as admission knows its priority class: an API server hears of a new one a moment after it was made, and where
/// there are several of them not all at once.
async fn made(sandbox: &Sandbox, namespace: &str, pod: &Pod) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        match sandbox.make(namespace, pod).await {
            Err(Error::Api(status))
                if status.message.contains("no PriorityClass with name") && start.elapsed() < CLASS_KNOWN_WITHIN =>
            {
                sleep(Duration::from_millis(50)).await;
            }
            answered => return answered.map(drop),
        }
    }
}

/// Node names do not fit into pod names, nor namespaces' into Services'; a short hash does. Same names, same hash, so that an object can be
/// found again; the namespace is in a pod's because its name is its host name, which is all that others hear of it.
pub(crate) fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

enum Standing {
    Starting,
    Running,
    Stuck(String),
}

struct Settled;

impl Condition<Pod> for Settled {
    fn matches_object(&self, pod: Option<&Pod>) -> bool {
        pod.is_some_and(|pod| !matches!(standing(pod), Standing::Starting))
    }
}

/// ... or there is no place for it, for now.
struct SettledOrNowhere;

impl Condition<Pod> for SettledOrNowhere {
    fn matches_object(&self, pod: Option<&Pod>) -> bool {
        Settled.matches_object(pod) || pod.is_some_and(|pod| unscheduled(pod).is_some())
    }
}

/// What the scheduler says of a pod that it finds no place for.
fn unscheduled(pod: &Pod) -> Option<String> {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut unscheduled =
        conditions.filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    unscheduled.next()?.message.clone()
}

fn standing(pod: &Pod) -> Standing {
    let Some(status) = &pod.status else { return Standing::Starting };
    if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
        let why = status.message.clone().or_else(|| status.reason.clone()).unwrap_or_else(|| "it ended at once".into());
        return Standing::Stuck(why);
    }
    let all = status.container_statuses.as_deref().unwrap_or_default();
    let agents = all.iter().find(|container| container.name == CONTAINER).or(all.first());
    let state = agents.and_then(|container| container.state.as_ref());
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        let reason = waiting.reason.clone().unwrap_or_default();
        let message = waiting.message.clone().unwrap_or_default();
        // These do not heal by waiting; ContainerCreating does.
        let stuck = match reason.as_str() {
            "ErrImageNeverPull" => "the image is not on the node; name one that every node has with --agent-image",
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" => {
                "the image cannot be pulled; name one that can be with --agent-image"
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "CrashLoopBackOff" => {
                "the container cannot be started"
            }
            _ => return Standing::Starting,
        };
        return Standing::Stuck(format!("{reason}: {stuck} ({message})"));
    }
    let running = state.is_some_and(|state| state.running.is_some());
    if running && status.pod_ip.is_some() { Standing::Running } else { Standing::Starting }
}

/// What a pod that does not start waits for, in the cluster's own words.
fn waiting_for(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let waiting = status
        .container_statuses
        .iter()
        .flatten()
        .find_map(|container| container.state.as_ref()?.waiting.as_ref()?.reason.clone());
    unscheduled(pod).or(waiting).or_else(|| status.phase.clone())
}
