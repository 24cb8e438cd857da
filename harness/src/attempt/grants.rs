//! Holding a cluster to the NetworkPolicy specification: what a set of policies grants is open, and everything else is closed.
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use crate::cx::Cx;
use crate::network_policy::case::Case;
use crate::network_policy::fixture::{Fixture, Held};
use crate::scenario::Guard;
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};

/// The namespaces of a fixture.
const NAMESPACES: [&str; 3] = ["x", "y", "z"];

/// Cases that do not disturb each other run side by side: as many at once.
const FIXTURES: usize = 4;

/// After so many cases that leak the rest would only say the same again, at the price of a time limit each.
const ENOUGH: usize = 3;

/// Cases that must be held.
#[must_use = "name the expected guards with `stopped_by`"]
pub struct Grants<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) cases: Vec<Case>,
    pub(crate) enforcement: Duration,
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
    /// The control: in the same look, between the same pods, what the policies grant is open; and before the first case and after the last
    /// everything is.
    ///
    /// # Errors
    /// Inconclusive where a granted path stays closed, or pods, policies or execs fail.
    pub async fn while_granted(self) -> Attempted {
        let Self { grants: Grants { cx, cases, enforcement }, guard } = self;
        let (asked, start) = (cases.len(), Instant::now());
        let queue = Mutex::new(Queue { cases: cases.into(), leaking: 0 });
        let worked = (0..FIXTURES.min(asked)).map(|index| work(cx, index, &queue, enforcement));
        let worked = try_join_all(worked).await.map_err(NoVerdict::Inconclusive)?;
        let pods: usize = worked.iter().map(|(pods, _)| pods).sum();
        let held: Vec<(String, Held)> = worked.into_iter().flat_map(|(_, held)| held).collect();
        let stuck = held.iter().filter_map(|(title, held)| Some((title, held.stuck.as_ref()?)));
        let (mut leaking, mut others, mut known) = (Vec::new(), Vec::new(), Vec::new());
        let allowed = cx.env.suite.allowed(&cx.scenario);
        for (title, (after, deviations)) in stuck {
            let told = |word: &str, paths: &[String]| {
                format!(
                    "{title}, {after}: {} {word}, the first: {}",
                    paths.len(),
                    paths.first().map_or("", String::as_str)
                )
            };
            if !deviations.leaking.is_empty() && allowed.names(&format!("case {title}")) {
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
                enforcement.as_millis(),
                leaking.join("; ")
            )));
        }
        if !others.is_empty() {
            return Err(NoVerdict::inconclusive(format!("no control: {}", others.join("; "))));
        }
        let (closed, open): (usize, usize) =
            held.iter().fold((0, 0), |(closed, open), (_, held)| (closed + held.closed, open + held.open));
        let mut converged: Vec<u64> = held.iter().flat_map(|(_, held)| held.converged_ms.clone()).collect();
        converged.sort_unstable();
        let at = |share: usize| converged.get((converged.len() * share / 100).min(converged.len().saturating_sub(1)));
        let [p50, p95, max] = [50, 95, 100].map(|share| at(share).copied().unwrap_or_default());
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let evidence = format!(
            "{asked} cases in {} stages: {closed} paths closed that nothing grants; as the policies say after p50 {p50} ms, p95 {p95} ms, \
             max {max} ms; {pods} pods, {:.1} s; leaking and allowed: {known}",
            converged.len(),
            start.elapsed().as_secs_f64()
        );
        let control =
            Control::proved(format!("{open} paths open that are granted, between the same pods in the same looks"));
        Ok(Verdict::denied(guard, evidence, control, max).of_attempts(closed))
    }
}

struct Queue {
    cases: VecDeque<Case>,
    leaking: usize,
}

/// One fixture's share of the cases.
async fn work(
    cx: &Cx,
    index: usize,
    queue: &Mutex<Queue>,
    limit: Duration,
) -> Result<(usize, Vec<(String, Held)>), String> {
    let mut fixture = Fixture::start(&cx.env, &format!("policy-{index}"), &NAMESPACES, index).await?;
    let mut held = Vec::new();
    let open = || Case { title: "no policy".into(), stages: vec![Vec::new()] };
    held.push((open().title, fixture.hold(&open(), limit).await?));
    loop {
        let case = {
            let mut queue = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if queue.leaking >= ENOUGH { None } else { queue.cases.pop_front() }
        };
        let Some(case) = case else { break };
        let result = fixture.hold(&case, limit).await.map_err(|why| format!("{}: {why}", case.title))?;
        let leaks = result.stuck.as_ref().is_some_and(|(_, deviations)| !deviations.leaking.is_empty());
        if leaks && !cx.env.suite.allowed(&cx.scenario).names(&format!("case {}", case.title)) {
            queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).leaking += 1;
        }
        held.push((case.title, result));
    }
    held.push((open().title, fixture.hold(&open(), limit).await?));
    Ok((fixture.pods(), held))
}
