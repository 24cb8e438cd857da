//! Pods that the measurements and the policy cases of a run share: a pod costs a cluster more than anything that is sent from it, so each is
//! started once. It starts behind a wall, where it may show how long it is let through; after that it is one of a fixture's.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, try_join_all};
use futures::{FutureExt, StreamExt, stream};
use serde_json::json;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep};

use crate::cx::Cx;
use crate::env::Env;
use crate::network_policy::case::Change;
use crate::network_policy::fixture::{Fixture, PODS, Wanted};
use crate::probe::Probe;
use crate::probe::batch::Verb;

/// The namespaces of each fixture, by their short names.
const NAMESPACES: [&str; 3] = ["x", "y", "z"];
/// In which of them pods reach each other, walls or not.
const OPEN_INSIDE: &str = "y";
/// The wall of each of them.
const WALL: &str = "wall";
/// Where a pod's first process leaves what it found (`terminationMessagePath`).
const REPORT: &str = "/dev/termination-log";
/// What a pod reports, it has found out within its span; the rest is the way to it.
const REPORTED_WITHIN: Duration = Duration::from_secs(20);
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// How long an open path must have been seen open for a closed one to be closed (harness/agent, window): pods are left alone until then.
const SETTLED: Duration = Duration::from_millis(2000);
/// So many pods are on their way on each node at once: most of the time a pod's start waits for the kubelet's next look.
const ROUNDS_AT_ONCE: usize = 2;
/// What is measured behind the walls is how pods are covered, not how a policy is taken up.
const WALLS_TAKEN_UP_AFTER: Duration = Duration::from_secs(2);

/// The crowd of a run.
#[derive(Default)]
pub(crate) struct Crowd(Arc<Mutex<Grounds>>);

/// The fixtures there are.
#[derive(Default)]
pub(crate) struct Grounds {
    pub(crate) fixtures: Vec<Fixture>,
    /// Whether nobody has touched their walls yet.
    walled: bool,
    begun: usize,
    /// Fixtures whose walls stand and whose pods are still to be born, those that make no whole one last, and since when.
    prepared: Option<(Vec<Fixture>, Vec<Fixture>, Instant)>,
}

/// A pod, and what it reports of its first moments.
pub(crate) struct Born {
    /// Its node's name.
    pub(crate) node: String,
    /// From the request that makes it to the pod running, in milliseconds.
    pub(crate) running_after_ms: u64,
    /// JSON, as its agent writes it.
    pub(crate) report: String,
}

impl Cx {
    /// The run's fixtures for as long as what is returned is kept; `copies` of them where there is none yet, and whatever there is where there
    /// is one.
    ///
    /// # Errors
    /// Why one cannot be had.
    pub(crate) async fn grounds(&self, copies: usize) -> Result<OwnedMutexGuard<Grounds>, String> {
        let mut grounds = self.env.memory.of::<Crowd>().0.clone().lock_owned().await;
        if grounds.fixtures.is_empty() && copies > 0 {
            grounds.add(&self.env, copies).await?;
        }
        Ok(grounds)
    }
}

impl Grounds {
    /// Whether the walls stand that the pods were started behind. Whoever asks takes them down.
    pub(crate) fn unveiled(&mut self) -> bool {
        std::mem::take(&mut self.walled)
    }

    /// Fixtures whose pods start all at once, or as many as the cluster can take.
    async fn add(&mut self, env: &Arc<Env>, copies: usize) -> Result<(), String> {
        let walled = self.fixtures.is_empty() || self.walled;
        let mut fixtures = self.laid_out(env, copies, &NAMESPACES).await?;
        try_join_all(fixtures.iter_mut().map(|fixture| async move {
            let wanted = fixture.wanted(env, &|_| Vec::new())?;
            let started = wanted.into_iter().map(|wanted| start(env, wanted));
            fixture.adopt(try_join_all(started).await?).await
        }))
        .await?;
        self.fixtures.extend(fixtures);
        self.walled = walled;
        Ok(())
    }

    async fn laid_out(
        &mut self,
        env: &Arc<Env>,
        copies: usize,
        namespaces: &'static [&'static str],
    ) -> Result<Vec<Fixture>, String> {
        let (first, walls) = (self.begun, walls(namespaces, &env.sandbox.outside().await?));
        self.begun += copies;
        let fixtures = (first..first + copies).map(|index| {
            let walls = &walls;
            async move { Fixture::laid_out(env, &format!("crowd-{index}"), namespaces, walls).await }
        });
        try_join_all(fixtures).await
    }

    /// Lays out walls for `count` pods: what takes no quiet.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(crate) async fn prepare(&mut self, env: &Arc<Env>, count: usize) -> Result<(), String> {
        let of_one = NAMESPACES.len() * PODS.len();
        let copies = (count / of_one).max(1);
        let fixtures = self.laid_out(env, copies, &NAMESPACES).await?;
        // Those that make no whole fixture show their first moments, and no more.
        let others = count.saturating_sub(copies * of_one);
        let namespaces = &NAMESPACES[..others.div_ceil(PODS.len()).min(NAMESPACES.len())];
        let beside = self.laid_out(env, usize::from(others > 0), namespaces).await?;
        self.prepared = Some((fixtures, beside, Instant::now()));
        Ok(())
    }

    /// Starts `count` pods behind what was prepared, one after the other on each node, as a node in ordinary use starts them; what each does from its first instruction
    /// on, `args` say by its node's name, and it has reported within `span`. As many as whole fixtures need become such.
    ///
    /// # Errors
    /// Where one does not run, or does not report.
    pub(crate) async fn born(
        &mut self,
        env: &Arc<Env>,
        count: usize,
        span: Duration,
        args: &(dyn Fn(&str) -> Vec<String> + Sync),
    ) -> Result<Vec<Born>, String> {
        let (mut fixtures, mut beside, since) = self.prepared.take().ok_or("no walls stand yet")?;
        let copies = fixtures.len();
        let mut wanted = Vec::new();
        for (place, fixture) in fixtures.iter().enumerate() {
            wanted.extend(fixture.wanted(env, args)?.into_iter().map(|pod| (place, pod)));
        }
        let others = count.saturating_sub(wanted.len());
        for fixture in &beside {
            wanted.extend(fixture.wanted(env, args)?.into_iter().take(others).map(|pod| (copies, pod)));
        }
        sleep(WALLS_TAKEN_UP_AFTER.saturating_sub(since.elapsed())).await;
        let mut rounds: VecDeque<Round<'_>> = rounds(wanted).into_iter().map(|round| begun(env, round)).collect();
        let mut started = rounds.pop_front().ok_or("no pod to start")?.await?;
        let mut others = stream::iter(rounds).buffered(ROUNDS_AT_ONCE);
        while let Some(round) = others.next().await {
            started.extend(round?);
        }
        // Whoever has just begun is not disturbed by execs.
        sleep(SETTLED).await;
        let running: Vec<(String, u64)> =
            started.iter().map(|(_, (_, probe))| (probe.node.clone(), probe.running_after_ms)).collect();
        let mut of: Vec<Vec<_>> = (0..=copies).map(|_| Vec::new()).collect();
        for (order, (place, pod)) in started.into_iter().enumerate() {
            of[place].push((order, pod));
        }
        let mut reports: Vec<(usize, String)> = Vec::new();
        for (place, mut pods) in of.into_iter().enumerate() {
            // A fixture's pods are known by their places in it.
            pods.sort_by(|(_, (a, _)), (_, (b, _))| (&a.namespace, &a.short).cmp(&(&b.namespace, &b.short)));
            let (orders, pods): (Vec<usize>, Vec<_>) = pods.into_iter().unzip();
            let Some(fixture) = fixtures.iter_mut().chain(&mut beside).nth(place) else { continue };
            fixture.adopt(pods).await?;
            reports.extend(orders.into_iter().zip(reported(fixture, env, span).await?));
        }
        self.walled = self.fixtures.is_empty() || self.walled;
        self.fixtures.extend(fixtures);
        reports.sort_unstable();
        let born = running.into_iter().zip(reports);
        Ok(born.map(|((node, running_after_ms), (_, report))| Born { node, running_after_ms, report }).collect())
    }
}

/// The first alone, which shows how fast a pod starts here; then one on each node after the other. Those that are left at the end, too few for
/// all nodes, come with the round before.
fn rounds(wanted: Vec<(usize, Wanted<'_>)>) -> Vec<Vec<(usize, Wanted<'_>)>> {
    let mut of_nodes: BTreeMap<&str, VecDeque<(usize, Wanted<'_>)>> = BTreeMap::new();
    for (place, pod) in wanted {
        of_nodes.entry(&pod.node.name).or_default().push_back((place, pod));
    }
    let mut rounds = Vec::new();
    let first = of_nodes.values_mut().next().and_then(VecDeque::pop_front);
    rounds.extend(first.map(|first| vec![first]));
    while of_nodes.values().any(|waiting| !waiting.is_empty()) {
        let round: Vec<_> = of_nodes.values_mut().filter_map(VecDeque::pop_front).collect();
        match rounds.last_mut().filter(|last| round.len() < of_nodes.len() && last.len() == of_nodes.len()) {
            Some(last) => last.extend(round),
            None => rounds.push(round),
        }
    }
    rounds
}

/// What the pods of `fixture` report, in their order.
async fn reported(fixture: &mut Fixture, env: &Arc<Env>, span: Duration) -> Result<Vec<String>, String> {
    let (read, start) = ([Verb::Read { path: REPORT }], Instant::now());
    let within = span + env.traffic.pace().patience(REPORTED_WITHIN);
    let mut reports = Vec::new();
    for session in fixture.sessions() {
        loop {
            let answers = session.ask(&read, REPORTED_WITHIN).await?;
            let text = answers.first().and_then(|answer| answer.more.get("text")?.as_str()).unwrap_or_default();
            if !text.is_empty() {
                reports.push(text.to_owned());
                break;
            }
            if start.elapsed() > within {
                return Err(format!("a pod has not reported within {} s", within.as_secs()));
            }
            sleep(AGAIN_AFTER).await;
        }
    }
    Ok(reports)
}

/// Pods that start together, each with its fixture's place.
type Round<'a> = BoxFuture<'a, Result<Vec<(usize, (Wanted<'a>, Probe))>, String>>;

fn begun<'a>(env: &'a Arc<Env>, round: Vec<(usize, Wanted<'a>)>) -> Round<'a> {
    try_join_all(round.into_iter().map(|(place, pod)| async move { Ok((place, start(env, pod).await?)) })).boxed()
}

async fn start<'a>(env: &Arc<Env>, wanted: Wanted<'a>) -> Result<(Wanted<'a>, Probe), String> {
    let outfit = wanted.outfit.clone();
    let probe = env.probes.start(&env.sandbox, &wanted.namespace, wanted.node, outfit).await?;
    Ok((wanted, probe))
}

/// Nothing comes in to any of them and nothing goes out but to the probes that no policy selects; inside one of them everything flows, so
/// that each look has open paths beside the closed ones.
fn walls(namespaces: &[&'static str], outside: &str) -> Vec<Change> {
    let outside = json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": outside } } });
    let both = ["Ingress", "Egress"];
    let walled = |namespace: &&'static str| {
        let inside = json!({ "podSelector": {} });
        let spec = if *namespace == OPEN_INSIDE {
            json!({ "podSelector": {}, "policyTypes": both, "ingress": [{ "from": [inside] }], "egress": [{ "to": [inside, outside] }] })
        } else {
            json!({ "podSelector": {}, "policyTypes": both, "egress": [{ "to": [outside] }] })
        };
        Change::Apply { namespace, name: WALL, spec }
    };
    namespaces.iter().map(walled).collect()
}

/// What takes the walls away.
pub(crate) fn walls_gone() -> Vec<Change> {
    NAMESPACES.map(|namespace| Change::Delete { namespace, name: WALL }).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::start::Outfit;
    use crate::record::facts::NodeFacts;

    #[test]
    fn the_first_comes_alone_and_then_one_on_each_node_with_what_is_left() {
        let nodes = ["n", "m"].map(|name| NodeFacts { name: name.into(), ..NodeFacts::default() });
        let pods = [0, 1, 0, 0, 1].map(|node: usize| {
            let outfit = Outfit {
                name: String::new(),
                labels: BTreeMap::new(),
                args: Vec::new(),
                named: &[],
                beside: None,
                host_network: false,
            };
            (0, Wanted { namespace: String::new(), node: &nodes[node], outfit, short: String::new() })
        });
        let rounds: Vec<String> = rounds(pods.into())
            .iter()
            .map(|round| round.iter().map(|(_, pod)| pod.node.name.as_str()).collect())
            .collect();
        assert_eq!(rounds, ["m", "mnn", "n"]);
    }
}
