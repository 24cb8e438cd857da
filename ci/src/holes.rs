//! Holes: what the suite is measured by. A policy of the range's own with one way past it left open, as policies in the world have them; the
//! scenario about that rule must find it and say which, and no other may be allowed.

mod catalogue;
mod gatekeeper;
mod kyverno;
mod policies;
mod ways;

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness::record::{Outcome, Run};
use serde_json::Value;

use catalogue::{Hole, Placed};
use gatekeeper::OfGatekeeper;
use kyverno::OfKyverno;
use policies::OURS;

use crate::prove::suite_with;
use crate::prove_engines::difference;
use crate::range::engine::gatekeeper::WEBHOOK;
use crate::range::engine::list;
use crate::range::{Engine, Lifetime, POLICIES_TAKEN_UP_AFTER, Progress, Range, data_dir};
use crate::suite_program::asking;

/// The range that has the holes, where none is named.
const RANGE: &str = "holes";

/// In whose policies holes are made where nobody is named: Gatekeeper's program takes minutes to build on a bare machine.
const ENGINES: [Engine; 2] = [Engine::AdmissionPolicy, Engine::Kyverno];

/// How many holes there are in the policies of `engines`.
fn count(engines: &[Engine]) -> usize {
    let of = |engine: &Engine| match engine {
        Engine::PodSecurity => 0,
        Engine::AdmissionPolicy => catalogue::all().len(),
        Engine::Kyverno => kyverno::all().len(),
        Engine::Gatekeeper => gatekeeper::ALL.len(),
    };
    engines.iter().map(of).sum()
}

/// Makes every hole on `range`, as many at once as can be told apart, and looks whether the suite finds it; `tell` hears of each round. Where
/// an engine is named, those in its policies alone.
///
/// # Errors
/// Names the holes that were not found, and what was allowed without one. The range is as it was hardened then, if it can be.
pub async fn find(range: &Range, engine: Option<Engine>, tell: &dyn Fn(&str)) -> Result<()> {
    let engines = engine.map_or(ENGINES.to_vec(), |engine| vec![engine]);
    let all = count(&engines);
    ensure!(all > 0, "no hole is made in what keeps the standards by labels alone; name another engine");
    range.engine(Engine::PodSecurity, tell).await?;
    let before = range.objects().await?;
    let search = Search { range, tell, all: catalogue::all() };
    let searched = search.whole(&engines).await;
    let restored = search.restore().await;
    range.engine(Engine::PodSecurity, tell).await.context("the range cannot be hardened as it was")?;
    let wrong = searched?;
    restored?;
    let missed = wrong.iter().filter(|said| said.starts_with(NOT_FOUND)).count();
    tell(&format!("{} of {all} holes are found", all - missed));
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    let left = difference(&before, &range.objects().await?);
    ensure!(left.is_empty(), "the holes have changed the range: {}", left.join("; "));
    Ok(())
}

/// ... on the range of that name, or on one of its own.
///
/// # Errors
/// As [`find`], and when the range does not come up.
pub async fn measure(range: Option<&str>, engine: Option<Engine>, progress: Progress) -> Result<()> {
    let tell = |line: &str| println!("{line}");
    if let Some(name) = range {
        return find(&Range::attach(name).await?, engine, &tell).await;
    }
    let range = Range::up(RANGE, Lifetime::ThrowAway, progress).await?;
    let found = find(&range, engine, &tell).await;
    range.down().await?;
    found
}

struct Search<'a> {
    range: &'a Range,
    tell: &'a dyn Fn(&str),
    all: Vec<Hole>,
}

impl Search<'_> {
    /// What is not as it must be.
    async fn whole(&self, engines: &[Engine]) -> Result<Vec<String>> {
        let file = data_dir().join("holes/company.yaml");
        let company = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        self.range.engine(Engine::AdmissionPolicy, self.tell).await?;
        self.range.kubectl().apply(&company).await?;
        // What is allowed without any, nothing has opened.
        let mut wrong = complaints(&[], &suite_with(self.range, &asking(|id| self.asks(id))).await?);
        ensure!(wrong.is_empty(), "without any hole, {}", wrong.join("; "));
        for engine in engines {
            wrong.extend(self.in_policies_of(*engine).await?);
        }
        Ok(wrong)
    }

    async fn in_policies_of(&self, engine: Engine) -> Result<Vec<String>> {
        match engine {
            Engine::PodSecurity => Ok(Vec::new()),
            Engine::AdmissionPolicy => {
                let (rounds, mut wrong) = (catalogue::rounds(&self.all), Vec::new());
                for (number, holes) in rounds.iter().enumerate() {
                    let name = format!("round {} of {}", number + 1, rounds.len());
                    wrong.extend(self.round(&name, holes, |id| self.asks(id), self.make(holes)).await?);
                }
                Ok(wrong)
            }
            Engine::Kyverno => {
                let holes: Vec<Placed> = kyverno::all().iter().map(OfKyverno::seen).collect();
                self.round("Kyverno", &holes, |id| concerns(&holes, id), self.make_of_kyverno()).await
            }
            Engine::Gatekeeper => {
                let holes: Vec<Placed> = gatekeeper::ALL.iter().map(OfGatekeeper::seen).collect();
                self.round("Gatekeeper", &holes, |id| concerns(&holes, id), self.make_of_gatekeeper()).await
            }
        }
    }

    /// What is not as it must be once these holes are `made`.
    async fn round(
        &self,
        name: &str,
        holes: &[Placed],
        asks: impl Fn(&str) -> bool,
        made: impl Future<Output = Result<()>>,
    ) -> Result<Vec<String>> {
        let start = Instant::now();
        made.await?;
        let ready_s = start.elapsed().as_secs_f64();
        let wrong = complaints(holes, &suite_with(self.range, &asking(asks)).await?);
        let whole_s = start.elapsed().as_secs_f64();
        (self.tell)(&format!("{name}, made in {ready_s:.1} s, searched for in {:.1} s:", whole_s - ready_s));
        for Placed { hole, place } in holes {
            (self.tell)(&format!("  {:<32} {place:<10} {}", hole.scenario, hole.way.what));
        }
        Ok(wrong)
    }

    /// Puts the policies with these holes in place of those that were there.
    async fn make(&self, holes: &[Placed]) -> Result<()> {
        self.in_place_of_others(&policies::with(holes)?).await?;
        tokio::time::sleep(POLICIES_TAKEN_UP_AFTER).await;
        Ok(())
    }

    async fn make_of_kyverno(&self) -> Result<()> {
        let (standards, of_kyverno) = policies::with_kyverno(&kyverno::all())?;
        self.clear().await?;
        self.range.engine(Engine::Kyverno, self.tell).await?;
        self.in_place_of_others(&standards).await?;
        self.range.kyverno_keeps(&of_kyverno).await
    }

    async fn make_of_gatekeeper(&self) -> Result<()> {
        let (standards, made) = policies::with_gatekeeper(gatekeeper::ALL)?;
        self.clear().await?;
        self.range.engine(Engine::Gatekeeper, self.tell).await?;
        self.in_place_of_others(&standards).await?;
        let kubectl = self.range.kubectl();
        kubectl.apply(&gatekeeper::exempting().to_string()).await?;
        // Who looks after that label would not let it be set.
        let unwatched = format!("--patch={}", gatekeeper::unwatched());
        kubectl.run(&["patch", WEBHOOK, "--type=json", &unwatched]).await?;
        kubectl.run(&["label", "namespace", gatekeeper::IGNORED, gatekeeper::IGNORE]).await?;
        self.range.gatekeeper_keeps(&made.templates, &made.constraints).await
    }

    async fn in_place_of_others(&self, policies: &[Value]) -> Result<()> {
        self.clear().await?;
        self.range.kubectl().apply(&list(policies)).await.context("a policy with a hole is refused").map(drop)
    }

    async fn clear(&self) -> Result<()> {
        let kubectl = self.range.kubectl();
        // In one request a kind: there are a hundred.
        for kind in ["validatingadmissionpolicybindings", "validatingadmissionpolicies"] {
            let all = format!("/apis/admissionregistration.k8s.io/v1/{kind}?labelSelector={OURS}");
            kubectl.run(&["delete", "--raw", &all]).await?;
        }
        Ok(())
    }

    /// Takes away what is none of the engines'.
    async fn restore(&self) -> Result<()> {
        self.clear().await?;
        let kubectl = self.range.kubectl();
        let unlabelled = format!("{}-", gatekeeper::IGNORE.trim_end_matches('='));
        kubectl.run(&["label", "namespace", gatekeeper::IGNORED, &unlabelled]).await?;
        kubectl.delete(&["rolebindings,serviceaccounts,runtimeclasses", "--all-namespaces", "--selector", OURS]).await
    }

    /// Whether a scenario asks about admission.
    fn asks(&self, id: &str) -> bool {
        self.all.iter().any(|hole| hole.may_be_found_by(id))
    }
}

/// Whether one of `holes` is a scenario's to find: engines behind webhooks take their time with each pod, and nobody else is asked.
fn concerns(holes: &[Placed], id: &str) -> bool {
    holes.iter().any(|placed| placed.hole.scenario == id)
}

const NOT_FOUND: &str = "not found: ";

/// What is not as it must be with these holes.
fn complaints(holes: &[Placed], run: &Run) -> Vec<String> {
    let mut wrong: Vec<String> = holes.iter().filter_map(|placed| missed(placed, run)).collect();
    for (id, cell) in run.scenarios.iter().flat_map(|record| record.cells.iter().map(move |cell| (&record.id, cell))) {
        let has_its_hole = |placed: &Placed| {
            placed.hole.may_be_found_by(id) && (placed.place == cell.name || catalogue::is_about_all(id))
        };
        let told = match &cell.outcome {
            Outcome::Allowed { .. } if holes.iter().any(has_its_hole) => continue,
            Outcome::Denied { .. } | Outcome::NotApplicable { .. } => continue,
            // Engines do not look at their own namespaces.
            _ if Engine::ALL.iter().any(|engine| engine.home() == Some(&cell.name)) => continue,
            Outcome::Allowed { evidence } => format!("allowed ({evidence})"),
            Outcome::Inconclusive { why, .. } => format!("inconclusive ({why})"),
            Outcome::Waived { .. } => "waived".into(),
        };
        wrong.push(format!("{id} in {} is {told}", cell.name));
    }
    wrong
}

/// Why a hole does not count as found: its scenario must be allowed where it is, and say what is open.
fn missed(Placed { hole: Hole { scenario, way, .. }, place }: &Placed, run: &Run) -> Option<String> {
    let cells = run.scenarios.iter().filter(|record| record.id == *scenario).flat_map(|record| &record.cells);
    let mut here = cells.filter(|cell| cell.name == *place || catalogue::is_about_all(scenario));
    let why = match here.next().map(|cell| &cell.outcome) {
        Some(Outcome::Allowed { evidence }) if evidence.contains(way.shows) => return None,
        Some(Outcome::Allowed { evidence }) => format!("nothing in it says `{}`: {evidence}", way.shows),
        _ => "it is not allowed".to_owned(),
    };
    Some(format!("{NOT_FOUND}{scenario} in {place}: {}: {why}", way.what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_the_score() {
        let readme = std::fs::read_to_string(crate::check::workspace().join("README.md")).unwrap();
        let all = count(&ENGINES);
        assert!(readme.contains(&format!("{all} of {all} holes")), "README.md must say {all} of {all} holes");
    }
}
