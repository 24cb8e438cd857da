//! Holding a cluster to the NetworkPolicy specification: what a set of policies grants is open, and everything else is closed.
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use crate::cx::Cx;
use crate::network_policy::case::{Case, Change};
use crate::network_policy::fixture::{Fixture, Held};
use crate::record::Spread;
use crate::scenario::Guard;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};

/// After so many cases that leak the rest would only say the same again, at the price of a time limit each.
const ENOUGH: usize = 3;

/// How long paths that nobody forbids may take to open at first: Services reach the nodes when they do.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Cases that must be held.
#[must_use = "name the expected guards with `stopped_by`"]
pub struct Grants<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) cases: Vec<Case>,
    pub(crate) place: Place,
}

/// Where cases are tried.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The namespaces, by their short names.
    pub namespaces: &'static [&'static str],
    /// How many of it there are: cases that do not disturb each other run side by side.
    pub copies: usize,
    /// What is there before the first pod is.
    pub before: Vec<Change>,
    /// A pod that is reached through a Service and ports of the nodes besides.
    pub doors: Option<(&'static str, &'static str)>,
}

impl<'a> Grants<'a> {
    /// The guards whose refusal counts.
    pub fn stopped_by(self, guard: Guard) -> Guarded<'a> {
        Guarded { grants: self, guard }
    }
}

/// ... with its guard.
#[must_use = "name the control with `while_granted`"]
pub struct Guarded<'a> {
    grants: Grants<'a>,
    guard: Guard,
}

impl Guarded<'_> {
    /// The control: in the same look, between the same pods, what the policies grant is open; and when they are gone everything is.
    ///
    /// # Errors
    /// Inconclusive where a granted path stays closed, or pods, policies or execs fail.
    pub async fn while_granted(self) -> Attempted {
        let Self { grants: Grants { cx, cases, place }, guard } = self;
        let _crowd = cx.env.crowds.acquire().await;
        let (asked, start) = (cases.len(), Instant::now());
        let limit = cx.env.suite.thresholds.enforcement();
        let queue = Mutex::new(Queue { cases: cases.into(), leaking: 0 });
        let worked = (0..place.copies.min(asked)).map(|index| work(cx, index, &place, &queue, limit));
        let worked = try_join_all(worked).await.map_err(NoVerdict::Inconclusive)?;
        let pods: usize = worked.iter().map(|(pods, _)| pods).sum();
        let held: Vec<(String, Held)> = worked.into_iter().flat_map(|(_, held)| held).collect();
        let stuck = held.iter().filter_map(|(title, held)| Some((title, held.stuck.as_ref()?)));
        let (mut leaking, mut others, mut known) = (Vec::new(), Vec::new(), Vec::new());
        let allowed = cx.env.suite.allowed(&cx.scenario);
        for (title, (after, deviations)) in stuck {
            let told = |word: &str, paths: &[String]| {
                format!(
                    "{title}{after}: {} {word}, the first: {}",
                    paths.len(),
                    paths.first().map_or("", String::as_str)
                )
            };
            if !deviations.leaking.is_empty() && allowed.names(&finding(title)) {
                known.push(title.as_str());
            } else if !deviations.leaking.is_empty() {
                leaking.push(told("paths open that nothing grants", &deviations.leaking));
            } else if !deviations.cut.is_empty() {
                others.push(told("paths closed that are granted", &deviations.cut));
            } else {
                others.push(told("paths of which nothing is known", &deviations.unclear));
            }
        }
        if !leaking.is_empty() {
            return Ok(Verdict::allowed(format!(
                "{} of {asked} cases leak {} ms after their policies, which no allow-list names: {}",
                leaking.len(),
                limit.as_millis(),
                leaking.join("; ")
            )));
        }
        if !others.is_empty() {
            return Err(NoVerdict::inconclusive(format!("no control: {}", others.join("; "))));
        }
        let (closed, open): (usize, usize) =
            held.iter().fold((0, 0), |(closed, open), (_, held)| (closed + held.closed, open + held.open));
        let converged = Spread::of(held.iter().flat_map(|(_, held)| held.converged_ms.clone()).collect());
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let evidence = format!(
            "{asked} cases in {} stages: {closed} paths closed that nothing grants; as the policies say after {converged}; {pods} pods, \
             {:.1} s; leaking and allowed: {known}",
            converged.count,
            start.elapsed().as_secs_f64()
        );
        let control =
            Control::proved(format!("{open} paths open that are granted, between the same pods in the same looks"));
        Ok(Verdict::denied(guard, evidence, control, converged.max_ms).of_attempts(closed))
    }
}

/// What an allow-list calls a case that leaks.
fn finding(title: &str) -> String {
    format!("case {title}")
}

struct Queue {
    cases: VecDeque<Case>,
    leaking: usize,
}

/// One fixture's share of the cases.
async fn work(
    cx: &Cx,
    index: usize,
    place: &Place,
    queue: &Mutex<Queue>,
    limit: Duration,
) -> Result<(usize, Vec<(String, Held)>), String> {
    let scenario = cx.scenario.rsplit('/').next().unwrap_or_default();
    let name = format!("{scenario}-{index}");
    let mut fixture = Fixture::start(&cx.env, &name, place.namespaces, &place.before).await?;
    if let Some((namespace, pod)) = place.doors {
        fixture.open_doors(&cx.env, namespace, pod).await?;
    }
    let as_it_is = |title: &str| Case { title: title.into(), stages: vec![Vec::new()] };
    let mut held = Vec::new();
    // Where something holds before the first pod is, the first case is about that.
    if place.before.is_empty() {
        let first = as_it_is("before the first case");
        held.push((first.title.clone(), fixture.hold(&first, limit.max(READY_WITHIN)).await?));
    }
    loop {
        let case = {
            let mut queue = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if queue.leaking >= ENOUGH { None } else { queue.cases.pop_front() }
        };
        let Some(case) = case else { break };
        let result = fixture.hold(&case, limit).await.map_err(|why| format!("{}: {why}", case.title))?;
        let leaks = result.stuck.as_ref().is_some_and(|(_, deviations)| !deviations.leaking.is_empty());
        if leaks && !cx.env.suite.allowed(&cx.scenario).names(&finding(&case.title)) {
            queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).leaking += 1;
        }
        held.push((case.title, result));
    }
    let last = as_it_is("after the last case");
    held.push((last.title.clone(), fixture.hold(&last, limit).await?));
    Ok((fixture.pods(), held))
}
