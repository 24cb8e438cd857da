//! Holding a cluster to the NetworkPolicy specification: what a set of policies grants is open, and everything else is closed.
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::cx::Cx;
use crate::network_policy::case::Case;
use crate::network_policy::crowd;
use crate::network_policy::fixture::{Fixture, Held};
use crate::pulse::unsteady;
use crate::record::measurement::{Beside, Measurement, Named, Spread};
use crate::verdict::{Attempted, Control, NoVerdict, Verdict};
use crate::words::Guard;

/// After so many cases that leak the rest would only say the same again, at the price of a time limit each.
const ENOUGH: usize = 3;

/// How long paths that nobody forbids may take to open at first: Services reach the nodes when they do.
const READY_WITHIN: Duration = Duration::from_secs(30);

impl Cx {
    /// Attempts every path that the policies of each of `cases` do not grant, among pods of the run's own; how long it takes until everything
    /// is as they say is measured as `name`.
    pub fn grants(&self, name: &'static str, cases: Vec<Case>) -> Grants<'_> {
        Grants { cx: self, name, cases, place: Place::default() }
    }

    /// Attempts every path in to and out of pods that have started behind a policy which denies it; the case is called `title`, and the
    /// measurement `name`.
    pub fn newcomers(&self, name: &'static str, title: &str) -> Grants<'_> {
        let cases = vec![Case { title: title.into(), stages: vec![Vec::new(), crowd::walls_gone()] }];
        Grants { cx: self, name, cases, place: Place { behind_walls: true, ..Place::default() } }
    }
}

/// Cases that must be held.
#[must_use = "name the expected guards with `stopped_by`"]
pub struct Grants<'a> {
    cx: &'a Cx,
    name: &'static str,
    cases: Vec<Case>,
    place: Place,
}

/// Where cases are tried.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// How many fixtures there must be: cases that do not disturb each other run side by side.
    copies: usize,
    /// Whether what holds is what the pods have started behind.
    behind_walls: bool,
    /// A pod that is reached through a Service and ports of the nodes besides.
    doors: Option<(&'static str, &'static str)>,
}

impl Grants<'_> {
    /// Goes through the cases among so many groups of pods side by side.
    pub fn side_by_side(self, copies: usize) -> Self {
        Self { place: Place { copies, ..self.place }, ..self }
    }

    /// Tries pod `pod` of `namespace` through a Service and by a port of every node besides.
    pub fn through_doors_to(self, namespace: &'static str, pod: &'static str) -> Self {
        Self { place: Place { doors: Some((namespace, pod)), ..self.place }, ..self }
    }
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
        let Self { grants: Grants { cx, name, cases, place }, guard } = self;
        let _hush = cx.quiet().await;
        let copies = place.copies.max(1);
        let mut grounds = cx.grounds(copies).await.map_err(NoVerdict::Inconclusive)?;
        let walled = grounds.unveiled();
        if place.behind_walls && !walled {
            return Err(NoVerdict::inconclusive("the walls that the pods have started behind are no longer there"));
        }
        let (before, asked, start) = (cx.pulse().await?, cases.len(), Instant::now());
        let limit = cx.env.suite.thresholds.enforcement();
        let queue = Mutex::new(Queue { cases: cases.into(), leaking: 0 });
        let fixtures = std::mem::take(&mut grounds.fixtures);
        let (at_work, idle) = split(fixtures, asked.min(if place.doors.is_some() { 1 } else { usize::MAX }));
        grounds.fixtures = idle;
        let worked = join_all(at_work.into_iter().map(|fixture| work(cx, fixture, &place, &queue, limit))).await;
        // One whose execs broke is of no use to anybody else.
        let (mut held, mut pods, mut broken) = (Vec::new(), 0, None);
        for result in worked {
            match result {
                Ok((fixture, of_it)) => {
                    pods += fixture.pods();
                    held.extend(of_it);
                    grounds.fixtures.push(fixture);
                }
                Err(why) => broken = Some(why),
            }
        }
        drop(grounds);
        if let Some(why) = broken {
            return Err(NoVerdict::Inconclusive(why));
        }
        let pulse = Beside { before, after: cx.pulse().await? };
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
            if let Some(why) = unsteady(&pulse) {
                return Err(NoVerdict::inconclusive(format!("{why}, and {}", leaking.join("; "))));
            }
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
        cx.env.measurements.add(Measurement {
            name: name.into(),
            what: "from the API server's word that it has a change to a look that finds every path as it must be"
                .into(),
            limit_ms: Some(limit.as_millis() as u64),
            spreads: vec![Named { over: "all".into(), spread: converged }],
            pulse: Some(pulse),
        });
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let evidence = format!(
            "{asked} cases in {} stages: {closed} paths closed that nothing grants; as the policies say after {converged}; {pods} pods, \
             {:.1} s; leaking and allowed: {known}; pulse {pulse}",
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

fn split(mut fixtures: Vec<Fixture>, at_most: usize) -> (Vec<Fixture>, Vec<Fixture>) {
    let idle = fixtures.split_off(at_most.min(fixtures.len()));
    (fixtures, idle)
}

/// One fixture's share of the cases.
async fn work(
    cx: &Cx,
    mut fixture: Fixture,
    place: &Place,
    queue: &Mutex<Queue>,
    limit: Duration,
) -> Result<(Fixture, Vec<(String, Held)>), String> {
    if let Some(pod) = place.doors {
        let closed = cx.closed_nodes().await.map_err(|none| none.to_string())?;
        fixture.open_doors(&cx.env, pod, &closed).await?;
    }
    let as_it_is = |title: &str| Case { title: title.into(), stages: vec![Vec::new()] };
    let mut held = Vec::new();
    // Where something holds before the first pod is, the first case is about that.
    if !place.behind_walls {
        let first = as_it_is("before the first case");
        let ready = cx.env.traffic.pace().patience(READY_WITHIN);
        held.push((first.title.clone(), fixture.hold(&first, limit.max(ready)).await?));
    }
    loop {
        let case = {
            let mut queue = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if queue.leaking >= ENOUGH { None } else { queue.cases.pop_front() }
        };
        let Some(case) = case else { break };
        let result =
            if place.behind_walls { fixture.go_on(&case, limit).await } else { fixture.hold(&case, limit).await };
        let result = result.map_err(|why| format!("{}: {why}", case.title))?;
        let leaks = result.stuck.as_ref().is_some_and(|(_, deviations)| !deviations.leaking.is_empty());
        if leaks && !cx.env.suite.allowed(&cx.scenario).names(&finding(&case.title)) {
            queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).leaking += 1;
        }
        held.push((case.title, result));
    }
    let last = as_it_is("after the last case");
    held.push((last.title.clone(), fixture.hold(&last, limit).await?));
    fixture.close_doors();
    Ok((fixture, held))
}
