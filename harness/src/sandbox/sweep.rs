//! Taking away what a run has made, by its label alone: nothing else is ever touched.
//!
//! Each kind is swept until a list of it comes back empty, whatever fails in between: an API server that answers every other request is
//! swept all the same, a little later. A namespace that nothing of the run is left in, and that somebody else holds, is told and left.
mod kind;
mod patience;
mod terminating;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::jiff::Timestamp;
use kube::{Client, Error};
use tokio::time::sleep;

use super::{EXPIRES, RUN};
use crate::told::told;
use kind::{Found, Kind};
use patience::Patience;
use terminating::{Held, Keeper, some};

/// How often a sweep of everything looks again.
const LOOKS: usize = 5;
/// What was asked for before a run was killed has arrived by then.
const LATECOMERS_WITHIN: Duration = Duration::from_secs(1);

/// How a sweep went that has taken away everything which could do or cost anything.
#[derive(Debug, Default)]
pub struct Swept {
    /// How many runs had left something that was taken away.
    pub runs: usize,
    /// Which namespaces of theirs are still Terminating, what holds them and what to do: nothing is in them any more.
    pub warning: Option<String>,
}

/// Kinds that are swept one after the other.
struct Chain {
    kinds: Vec<Kind>,
    /// How many of them are done.
    done: usize,
    /// What was last seen of the next one.
    left: Vec<Found>,
}

enum Step {
    /// There was nothing to ask.
    Over,
    Answered,
    /// What was asked for was refused, or not heard: whether anything was answered, and whether asking again is of no use.
    Failed {
        why: String,
        answered: bool,
        for_good: bool,
    },
}

impl Step {
    fn failed(error: &Error, answered: bool) -> Self {
        // A credential that has expired does not come back.
        let for_good = matches!(error, Error::Api(status) if status.code == 401);
        Self::Failed { why: told(error), answered, for_good }
    }
}

impl Chain {
    fn of(kinds: Vec<Kind>) -> Self {
        Self { kinds, done: 0, left: Vec::new() }
    }

    /// Goes on to the first kind that something is left of, and asks for the deletion of that.
    async fn step(&mut self, client: &Client, selector: &str) -> Step {
        let mut step = Step::Over;
        while let Some(kind) = self.kinds.get(self.done) {
            self.left = match kind.list(client, selector).await {
                Ok(found) => found,
                Err(error) => return Step::failed(&error, matches!(step, Step::Answered)),
            };
            step = Step::Answered;
            if !self.left.is_empty() {
                let deleted = kind.delete(client, selector, &self.left).await;
                return deleted.map_or_else(|error| Step::failed(&error, true), |()| Step::Answered);
            }
            self.done += 1;
        }
        step
    }

    fn is_done(&self) -> bool {
        self.done == self.kinds.len()
    }

    /// What is left, in words.
    fn told(&self) -> Option<String> {
        let kind = &self.kinds.get(self.done)?.resource.plural;
        if self.left.is_empty() {
            return None;
        }
        let mut open: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for found in &self.left {
            let why = found.end.as_ref().map_or("", |end| end.why.as_str());
            open.entry(why).or_default().insert(place(found));
        }
        let told = open.iter().map(|(why, names)| match *why {
            "" => format!("{kind} {}", some(names)),
            why => format!("{kind} {} ({why})", some(names)),
        });
        Some(format!("still there: {}", told.collect::<Vec<_>>().join(", ")))
    }

    /// What a reader of the cluster would see change: how far it is, and how many of what is left, where, are how far. Not their names: whoever
    /// makes anew what is deleted gives each another one, and gets nowhere.
    fn seen(&self) -> (usize, BTreeMap<Stage<'_>, usize>) {
        let mut seen = BTreeMap::new();
        for of in &self.left {
            let stage = of.end.as_ref().map(|end| end.stage.as_str());
            let place = if stage.is_some() { place(of) } else { of.metadata.namespace.clone().unwrap_or_default() };
            *seen.entry((place, of.metadata.deletion_timestamp.is_some(), stage)).or_default() += 1;
        }
        (self.done, seen)
    }
}

/// Where something is, whether it is on its way out, and how far.
type Stage<'a> = (String, bool, Option<&'a str>);

fn place(found: &Found) -> String {
    let name = found.metadata.name.as_deref().unwrap_or_default();
    found.metadata.namespace.as_ref().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
}

/// One run's sweep.
struct Sweep<'a> {
    client: &'a Client,
    selector: String,
    patience: Patience,
    emptied: Emptied,
}

impl Sweep<'_> {
    /// Clears everything until it is seen to be gone, but for namespaces that others hold.
    async fn all_of(&mut self, chains: &mut [Chain]) -> Result<Held, String> {
        loop {
            let steps = join_all(chains.iter_mut().map(|chain| chain.step(self.client, &self.selector))).await;
            let answered = |step: &Step| matches!(step, Step::Answered | Step::Failed { answered: true, .. });
            let (answered, mut for_good, mut troubles) = (steps.iter().any(answered), false, BTreeSet::new());
            for step in steps {
                if let Step::Failed { why, for_good: no_use, .. } = step {
                    for_good |= no_use;
                    troubles.insert(why);
                }
            }
            if chains.iter().all(Chain::is_done) {
                return Ok(Held::default());
            }
            let held = if troubles.is_empty() { self.held(chains).await } else { None };
            let seen = || (chains.iter().map(Chain::seen).collect::<Vec<_>>(), self.emptied.0.len());
            let seen = answered.then(seen);
            self.patience.round(seen);
            match self.patience.again_after(held.is_some()) {
                Some(pause) if !for_good => sleep(pause).await,
                _ => return held.ok_or_else(|| self.unfinished(chains, troubles, answered)),
            }
        }
    }

    /// The namespaces that are left, where nothing else is and nothing is in them.
    async fn held(&mut self, chains: &[Chain]) -> Option<Held> {
        let left: Vec<&Found> = chains.iter().flat_map(|chain| &chain.left).collect();
        self.emptied.held(self.client, &left).await
    }

    fn unfinished(&self, chains: &[Chain], troubles: BTreeSet<String>, answered: bool) -> String {
        // What a silent API server has said before is not what is left.
        let left = chains.iter().filter(|_| answered).filter_map(Chain::told);
        let heard = troubles.is_empty();
        let mut why: Vec<String> = troubles.into_iter().chain(left).collect();
        let left: Vec<&Found> = chains.iter().flat_map(|chain| &chain.left).collect();
        if heard && without_content(&left).is_some() {
            let names: BTreeSet<String> = left.into_iter().map(place).collect();
            why.push(format!(
                "ConfigMaps are still in {}",
                some(&names.difference(&self.emptied.0).cloned().collect())
            ));
        }
        let why = why.join("; ");
        let (after, selector) = (self.patience.elapsed().as_secs(), &self.selector);
        format!(
            "the sweep did not finish, {after} s after it began: {why}; take away by hand what carries the label {selector}"
        )
    }
}

/// What holds `left`, where those are namespaces whose status says that nothing is in them.
fn without_content(left: &[&Found]) -> Option<Held> {
    let mut held = Held::default();
    for found in left {
        let end = found.end.as_ref().filter(|end| end.keeper != Keeper::Content)?;
        held.add(place(found), end.why.clone());
    }
    Some(held)
}

/// Terminating namespaces that were seen to be empty, and stay so: nothing can be made in them.
///
/// Their conditions alone do not say it: while pods remain nothing else is looked for, and the controller says that all content is gone.
/// But every namespace is born with a ConfigMap, the API server's root certificate, which goes with the rest of what the controller can
/// discover: where it is gone, everything else was asked to go.
#[derive(Default)]
struct Emptied(BTreeSet<String>);

impl Emptied {
    /// What holds `left`, where those are namespaces that nothing is in.
    async fn held(&mut self, client: &Client, left: &[&Found]) -> Option<Held> {
        let held = without_content(left)?;
        let unknown = left.iter().map(|found| place(found)).filter(|name| !self.0.contains(name));
        let looked = unknown.map(|name| async move {
            let empty = Kind::carriers().is_none_in(client, &name).await;
            (name, empty.unwrap_or(false))
        });
        let looked = join_all(looked).await;
        let all = looked.iter().all(|(_, empty)| *empty);
        self.0.extend(looked.into_iter().filter(|(_, empty)| *empty).map(|(name, _)| name));
        all.then_some(held)
    }
}

/// What a run has made besides what every run makes, or may have.
#[derive(Clone, Copy)]
pub(super) struct Made {
    pub(super) controllers: bool,
    pub(super) webhooks: bool,
}

/// Takes away what `run` has made, and waits until it is gone.
///
/// # Errors
/// Names what is left, and how to take it away by hand.
pub(super) async fn sweep(client: &Client, run: &str, made: Made) -> Result<Swept, String> {
    let held = take_away(client, run, made).await?;
    Ok(Swept { runs: 1, warning: held.warning() })
}

async fn take_away(client: &Client, run: &str, made: Made) -> Result<Held, String> {
    let selector = format!("{RUN}={run}");
    let mut sweep = Sweep { client, selector, patience: Patience::new(), emptied: Emptied::default() };
    let mut held = Held::default();
    // A creation that was under way when the run ended may have arrived behind the first round: by the second it has.
    for _ in 0..2 {
        // What makes pods before the pods, and those before what carries them: the other way round they would come back, or race us.
        let mut in_namespaces = if made.controllers { Kind::controllers() } else { Vec::new() };
        in_namespaces.extend([Kind::pods(), Kind::carriers()]);
        let mut cluster_wide = vec![Kind::priorities()];
        cluster_wide.extend(made.webhooks.then(Kind::webhooks));
        let kinds = [in_namespaces, vec![Kind::namespaces()], cluster_wide];
        held = sweep.all_of(&mut kinds.map(Chain::of)).await?;
    }
    Ok(held)
}

/// Takes away what runs that have expired left behind: `kill -9`, a lost machine.
///
/// # Errors
/// Where the cluster cannot be listed, or something does not go.
pub async fn sweep_expired(client: &Client) -> Result<Swept, String> {
    let (runs, held) = sweep_runs(client, expired).await?;
    Ok(Swept { runs: runs.len(), warning: held.warning() })
}

/// Takes away what any run has left behind, expired or not, and looks again a moment later: what a run that was killed just now had asked
/// for may still be on its way through a busy API server.
///
/// # Errors
/// As [`sweep_expired`].
pub async fn sweep_all(client: &Client) -> Result<Swept, String> {
    let (mut swept, mut held) = (BTreeSet::new(), Held::default());
    // A run that is at work makes new ones all the time: there is an end to it.
    for _ in 0..LOOKS {
        let (found, still_held) = sweep_runs(client, |_| true).await?;
        held = still_held;
        if found.is_empty() {
            break;
        }
        swept.extend(found);
        sleep(LATECOMERS_WITHIN).await;
    }
    Ok(Swept { runs: swept.len(), warning: held.warning() })
}

fn expired(annotations: &BTreeMap<String, String>) -> bool {
    // What carries the label but no readable expiry was not made by a run: not ours to judge.
    let expires = annotations.get(EXPIRES).and_then(|expires| expires.parse::<Timestamp>().ok());
    expires.is_some_and(|expires| expires < Timestamp::now())
}

/// The runs that were swept, and what is held of them and of others.
async fn sweep_runs(
    client: &Client,
    doomed: fn(&BTreeMap<String, String>) -> bool,
) -> Result<(BTreeSet<String>, Held), String> {
    let mut kinds = Kind::controllers();
    kinds.extend([Kind::pods(), Kind::carriers(), Kind::namespaces(), Kind::priorities(), Kind::webhooks()]);
    let lists = join_all(kinds.iter().map(|kind| kind.list(client, RUN))).await;
    let mut of_runs: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for found in lists {
        let found = found.map_err(|error| format!("cannot look for leftovers of earlier runs: {}", told(&error)))?;
        for object in found {
            let run = object.metadata.labels.as_ref().and_then(|labels| labels.get(RUN)).cloned();
            if let Some(run) = run.filter(|_| doomed(object.metadata.annotations.as_ref().unwrap_or(&BTreeMap::new())))
            {
                of_runs.entry(run).or_default().push(object);
            }
        }
    }
    let (mut swept, mut held) = (BTreeSet::new(), Held::default());
    for (run, left) in of_runs {
        // What an earlier sweep has had to leave to others is theirs still.
        let others = |found: &Found| found.end.as_ref().is_some_and(|end| end.keeper == Keeper::Others);
        if left.iter().all(others)
            && let Some(theirs) = Emptied::default().held(client, &left.iter().collect::<Vec<_>>()).await
        {
            held.extend(theirs);
            continue;
        }
        held.extend(take_away(client, &run, Made { controllers: true, webhooks: true }).await?);
        swept.insert(run);
    }
    Ok((swept, held))
}

#[cfg(test)]
mod tests;
