//! What happens to the cluster itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::account;
use super::catalogue::MIDDLE;
use super::load::{self, Busy};
use super::proxy::{Act, Gate};
use super::seen::Seen;
use crate::range::Range;
use crate::range::docker::docker;
use crate::range::kubectl::Kubectl;

/// What every object of a run carries.
const RUN: &str = harness::sandbox::RUN;
/// What probes carry besides, and nothing else does.
const PROBE: &str = harness::probe::pod::PROBE;
/// Whose probes are listeners only, in the one cell that the sabotages open.
const LISTENERS: &str = "tenant-b";
/// Whose probes try to reach them.
const ATTACKERS: &str = "tenant-a";
/// By then every probe runs, and what is not held up has its answer, a time-out of 1.5 s among them.
const CONTROLS_ANSWERED_AFTER: Duration = Duration::from_millis(3500);
const LISTENERS_WITHIN: Duration = Duration::from_secs(20);
const FREEZE_TRIES: usize = 20;
const METADATA: &str = "169.254.169.254/32";
const NETWORK: &str = "daemonset/calico-node";
const NOWHERE: &str = r#"{"spec":{"template":{"spec":{"nodeSelector":{"oke-conformance/nowhere":"true"}}}}}"#;
const ANYWHERE: &str = r#"{"spec":{"template":{"spec":{"nodeSelector":{"oke-conformance/nowhere":null}}}}}"#;

/// A blow to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// A worker stops dead at the first exec, the one that a Tiller is on where there is one.
    NodeFrozen,
    /// The network plug-in's agent is gone before the run.
    NetworkStopped,
    /// Probes are evicted from the first exec on, as soon as they run.
    ProbesEvicted,
    /// Listeners are evicted after their controls have answered and before anybody else tries to reach them.
    ListenersEvicted,
    /// The workers lose the way to the metadata service after the controls have reached it and before anybody else tries to.
    MetadataLost,
    /// The operator's token is not accepted any more from an exec on.
    TokenExpired,
    /// Others keep the machine busy, before the run and throughout.
    MachineBusy,
    /// A worker has a tenth of the machine, before the run and throughout.
    NodeThrottled,
    /// ... all workers, from the middle of the run on.
    SlowHalfWay,
}

/// A blow that has fallen or is about to, and what mends it.
pub(super) struct Wound {
    blow: Blow,
    kubectl: Kubectl,
    /// The container that stops dead, where one does.
    frozen: Option<String>,
    evicting: Option<JoinHandle<()>>,
    busy: Option<Busy>,
    /// The containers that are throttled, or are to be, with how often they had been before.
    throttled: Vec<(String, u64)>,
}

impl Blow {
    /// Gets ready to strike; what is to be so from the start is so afterwards.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub(super) async fn begin(self, range: &Range) -> Result<(Wound, Option<Gate>)> {
        let kubectl = range.kubectl();
        let frozen = match self {
            Self::NodeFrozen => Some(node(range, &kubectl).await?),
            _ => None,
        };
        let slow = match self {
            Self::NodeThrottled => range.workers()[..1].to_vec(),
            Self::SlowHalfWay => range.workers().to_vec(),
            _ => Vec::new(),
        };
        let throttled = slow.iter().map(|node| Ok((node.clone(), load::times_throttled(node)?)));
        let mut wound = Wound {
            blow: self,
            kubectl: kubectl.clone(),
            frozen: frozen.clone(),
            evicting: None,
            busy: None,
            throttled: throttled.collect::<Result<_>>()?,
        };
        let gate = match self {
            Self::NodeFrozen => {
                let act: Act = Box::new(move || {
                    let container = frozen.clone().unwrap_or_default();
                    Box::pin(async move { pause(&container).await })
                });
                Some(Gate { holds: |seen| seen.exec.is_some(), act })
            }
            Self::MetadataLost => {
                let workers = range.workers();
                let act: Act = Box::new(move || {
                    let workers = workers.clone();
                    Box::pin(async move {
                        sleep(CONTROLS_ANSWERED_AFTER).await;
                        workers
                            .iter()
                            .try_for_each(|node| docker(&["exec", node, "ip", "route", "del", METADATA]).map(drop))
                    })
                });
                Some(Gate { holds: by_attackers, act })
            }
            Self::NetworkStopped => {
                kubectl.run(&["patch", "-n", "kube-system", NETWORK, "--patch", NOWHERE]).await?;
                let gone =
                    ["wait", "-n", "kube-system", "--for=delete", "pod", "-l", "k8s-app=calico-node", "--timeout=60s"];
                kubectl.run(&gone).await.context("the network plug-in's pods do not go")?;
                None
            }
            Self::ProbesEvicted => {
                let (first, evicting) = (kubectl.clone(), kubectl.clone());
                // None runs before the first exec is asked for; those that start later are evicted as they come.
                wound.evicting = Some(tokio::spawn(async move {
                    until_executed(&evicting).await;
                    loop {
                        let _ = evict(&evicting, None).await;
                        sleep(Duration::from_millis(200)).await;
                    }
                }));
                let act: Act = Box::new(move || {
                    let kubectl = first.clone();
                    Box::pin(async move { evict(&kubectl, None).await.map(drop) })
                });
                Some(Gate { holds: |seen| seen.exec.is_some(), act })
            }
            Self::ListenersEvicted => {
                let act: Act = Box::new(move || {
                    let kubectl = kubectl.clone();
                    Box::pin(async move { evict_listeners(&kubectl).await })
                });
                Some(Gate { holds: by_attackers, act })
            }
            Self::TokenExpired => {
                let act: Act = Box::new(move || {
                    let kubectl = kubectl.clone();
                    Box::pin(async move { account::expire(&kubectl).await })
                });
                Some(Gate { holds: |seen| seen.execs >= 3, act })
            }
            Self::MachineBusy => {
                wound.busy = Some(Busy::start()?);
                None
            }
            Self::NodeThrottled => {
                slow.iter().try_for_each(|node| load::throttle(node))?;
                None
            }
            Self::SlowHalfWay => {
                let act: Act = Box::new(move || {
                    let slow = slow.clone();
                    Box::pin(async move { slow.iter().try_for_each(|node| load::throttle(node)) })
                });
                Some(Gate { holds: |seen| MIDDLE.holds(seen), act })
            }
        };
        Ok((wound, gate))
    }

    /// Whether it is somebody else's load: what it strikes are durations, and a false alarm is as near as a false pass.
    pub(super) fn is_load(self) -> bool {
        matches!(self, Self::MachineBusy | Self::NodeThrottled | Self::SlowHalfWay)
    }

    /// Whether it may take an object and bring another in its place.
    pub(super) fn replaces(self, object: &str) -> bool {
        let agents = ["Pod kube-system calico-node-", "ControllerRevision kube-system calico-node-"];
        self == Self::NetworkStopped && agents.iter().any(|agent| object.starts_with(agent))
    }
}

impl Wound {
    /// Whether the run has felt it, where no request tells; none where one does.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub(super) fn felt(&mut self) -> Result<Option<bool>> {
        if self.blow == Blow::NetworkStopped {
            return Ok(Some(true));
        }
        if let Some(busy) = &mut self.busy {
            return Ok(Some(busy.all_at_it()));
        }
        let mut felt = None;
        for (node, before) in &self.throttled {
            felt = Some(felt.unwrap_or(true) && load::times_throttled(node)? > *before);
        }
        Ok(felt)
    }

    /// Mends it, and waits until it is.
    ///
    /// # Errors
    /// When the cluster does not recover.
    pub(super) async fn heal(mut self, range: &Range) -> Result<()> {
        if let Some(evicting) = self.evicting.take() {
            evicting.abort();
        }
        self.busy = None;
        self.thaw()?;
        self.quicken()?;
        match self.blow {
            Blow::NodeFrozen | Blow::NodeThrottled | Blow::SlowHalfWay => {
                let ready = ["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=90s"];
                self.kubectl.run(&ready).await.context("the node does not come back")?;
                let ready = ["wait", "-n", "kube-system", "--for=condition=Ready", "pods", "--all", "--timeout=90s"];
                self.kubectl.run(&ready).await.context("the node's pods do not come back").map(drop)
            }
            Blow::MetadataLost => {
                let via = range.metadata()?.to_string();
                range.workers().iter().try_for_each(|node| {
                    docker(&["exec", node, "ip", "route", "replace", METADATA, "via", &via]).map(drop)
                })
            }
            Blow::NetworkStopped => {
                self.kubectl.run(&["patch", "-n", "kube-system", NETWORK, "--patch", ANYWHERE]).await?;
                let ready = ["rollout", "status", "-n", "kube-system", NETWORK, "--timeout=90s"];
                self.kubectl.run(&ready).await.context("the network plug-in does not come back")?;
                range.until_routed().await
            }
            _ => Ok(()),
        }
    }

    fn thaw(&self) -> Result<()> {
        let Some(container) = &self.frozen else { return Ok(()) };
        let paused = docker(&["container", "inspect", "--format", "{{.State.Paused}}", container])?;
        if paused.trim() == "true" { docker(&["unpause", container]).map(drop) } else { Ok(()) }
    }

    fn quicken(&self) -> Result<()> {
        self.throttled.iter().try_for_each(|(node, _)| load::unthrottle(node))
    }
}

impl Drop for Wound {
    fn drop(&mut self) {
        if let Some(evicting) = self.evicting.take() {
            evicting.abort();
        }
        // What is frozen would have everybody after us wait for it.
        if let Err(error) = self.thaw() {
            eprintln!("warning: {error:#}; `docker unpause` wakes it");
        }
        if let Err(error) = self.quicken() {
            eprintln!("warning: {error:#}; `docker update --cpu-quota -1` makes it as fast as it was");
        }
    }
}

/// The worker that a Tiller is on, else the first.
async fn node(range: &Range, kubectl: &Kubectl) -> Result<String> {
    let [first, _] = range.workers();
    let of_tiller = ["get", "pods", "-n", "kube-system", "-l", "name=tiller", "-o"];
    let node = ["jsonpath={.items[*].spec.nodeName}"];
    let found = kubectl.run(&[of_tiller.as_slice(), &node].concat()).await?;
    Ok(found.split_whitespace().next().map_or(first, str::to_owned))
}

/// The kernel may not get all processes of a container to stop at once, while some of them start others.
async fn pause(container: &str) -> Result<()> {
    for _ in 1..FREEZE_TRIES {
        if docker(&["pause", container]).is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    docker(&["pause", container]).map(drop)
}

fn by_attackers(seen: &Seen) -> bool {
    seen.exec.is_some() && seen.namespace.as_deref() == Some(ATTACKERS)
}

async fn until_executed(kubectl: &Kubectl) {
    while probes(kubectl, None).await.unwrap_or_default().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_millis(500)).await;
}

/// Running probes as `NAMESPACE NAME`.
async fn probes(kubectl: &Kubectl, namespace: Option<&str>) -> Result<Vec<(String, String)>> {
    let columns = "-o=custom-columns=:metadata.namespace,:metadata.name,:metadata.deletionTimestamp";
    let running = "--field-selector=status.phase=Running";
    let listed = kubectl.run(&["get", "pods", "--all-namespaces", "-l", RUN, running, "--no-headers", columns]).await?;
    let rows = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    Ok(rows
        .filter_map(|row| match row.as_slice() {
            [here, name, "<none>"] if namespace.is_none_or(|namespace| namespace == *here) => {
                Some(((*here).to_owned(), (*name).to_owned()))
            }
            _ => None,
        })
        .collect())
}

/// Evicts the probes that run.
async fn evict(kubectl: &Kubectl, namespace: Option<&str>) -> Result<usize> {
    let probes = probes(kubectl, namespace).await?;
    let evicted = probes.iter().map(|(namespace, name)| async move {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
        let body = format!(
            r#"{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{name}","namespace":"{namespace}"}}}}"#
        );
        kubectl.feed(&["create", "--raw", &path, "-f", "-"], &body).await
    });
    // One that has gone by itself meanwhile is no matter.
    Ok(futures::future::join_all(evicted).await.into_iter().filter(Result::is_ok).count())
}

async fn evict_listeners(kubectl: &Kubectl) -> Result<()> {
    // On a busy machine they may run later than whoever is to reach them.
    let start = Instant::now();
    while probes(kubectl, Some(LISTENERS)).await?.is_empty() && start.elapsed() < LISTENERS_WITHIN {
        sleep(Duration::from_millis(200)).await;
    }
    sleep(CONTROLS_ANSWERED_AFTER).await;
    ensure!(evict(kubectl, Some(LISTENERS)).await? > 0, "there was no listener to evict");
    // What controllers make there, where nothing is denied, is made again and again.
    let gone = ["wait", "-n", LISTENERS, "--for=delete", "pod", "-l", PROBE, "--timeout=20s"];
    kubectl.run(&gone).await.context("the listeners do not go").map(drop)
}
