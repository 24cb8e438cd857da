//! Proving that the suite knows each policy engine: the standards are denied by whichever keeps them, by its name, and allowed once its
//! protection is gone.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness::record::{Cell, Outcome, Record, Run};
use harness::scenario::Guard;
use harness::standard;

use crate::prove::suite_with;
use crate::range::{Engine, Range};
use crate::suite_program::asking;

/// Has each engine keep the standards on `range`, runs the scenarios about them with its protection and without; `tell` hears of each.
///
/// # Errors
/// Names the engine and the scenarios that did not do what they must. The range is as it was hardened then, if it can be.
pub async fn prove(range: &Range, engines: &[Engine], tell: &dyn Fn(&str)) -> Result<()> {
    range.engine(Engine::PodSecurity, tell).await?;
    let before = range.objects().await?;
    let mut wrong = Vec::new();
    for engine in engines {
        let start = Instant::now();
        let told = one(range, *engine, tell).await;
        let (name, seconds) = (engine.name(), start.elapsed().as_secs_f64());
        match told {
            Ok(told) => tell(&format!("{name:<18} {told} ({seconds:.1} s)")),
            Err(error) => wrong.push(format!("{name}: {error:#}")),
        }
    }
    range.engine(Engine::PodSecurity, tell).await.context("the range cannot be hardened as it was")?;
    ensure!(
        wrong.is_empty(),
        "{} of {} engines are not seen as they must be: {}",
        wrong.len(),
        engines.len(),
        wrong.join("; ")
    );
    let left = difference(&before, &range.objects().await?);
    ensure!(left.is_empty(), "the engines have changed the range: {}", left.join("; "));
    tell("everything is denied by Pod Security Admission again, and nothing is left of the others");
    Ok(())
}

/// An engine with and without its protection, in a sentence.
async fn one(range: &Range, engine: Engine, tell: &dyn Fn(&str)) -> Result<String> {
    range.engine(engine, tell).await?;
    let kept = concerned(range).await?;
    judge_kept(engine, &kept)?;
    range.unprotect(engine).await?;
    let open = concerned(range).await;
    range.protect(engine).await?;
    judge_open(engine, &open?)?;
    let attempts: usize = of_standards(&kept).flat_map(|record| &record.cells).map(|cell| cell.attempts).sum();
    Ok(format!(
        "refuses {attempts} attempts of {} scenarios as {}, and none without its protection",
        of_standards(&kept).count(),
        word(engine).0.name()
    ))
}

/// Runs what an engine has a say in, and nothing else of the chapter: what the kernel refuses is no engine's matter, and takes probes
/// everywhere.
async fn concerned(range: &Range) -> Result<Run> {
    suite_with(range, &asking(|id| ids().contains(id) || id == LOCKED)).await
}

/// Its guard, and how its refusals are told.
fn word(engine: Engine) -> (Guard, &'static str) {
    match engine {
        Engine::PodSecurity => (Guard::PodSecurity, "pod-security"),
        Engine::AdmissionPolicy => (Guard::AdmissionPolicy, "policy pod-security-"),
        Engine::Kyverno => (Guard::Webhook, "Kyverno"),
        Engine::Gatekeeper => (Guard::Webhook, "Gatekeeper"),
    }
}

const NEWBORN: &str = "pod_security/new-namespace-born-safe";

/// Those whose evidence is no list of attempts in one namespace: it quotes the first refusal, and others may be somebody else's by right.
const QUOTES: [&str; 2] = ["pod_security/through-controllers", "pod_security/exempt-namespaces-known"];

/// The scenarios that stand or fall with whoever keeps the standards.
fn ids() -> BTreeSet<String> {
    let controls = standard::ALL.iter().map(|(name, _)| format!("pod_security/{name}"));
    let besides = ["pod_security/ephemeral-container", NEWBORN].into_iter().chain(QUOTES).map(str::to_owned);
    controls.chain(besides).collect()
}

fn of_standards(run: &Run) -> impl Iterator<Item = &Record> {
    let ids = ids();
    run.scenarios.iter().filter(move |record| ids.contains(&record.id))
}

/// With its protection: everything is denied, and what is about the standards by this engine in every cell.
fn judge_kept(engine: Engine, run: &Run) -> Result<()> {
    judge(run, |record, Cell { name, outcome, .. }| {
        // It does not look at its own pods.
        let engine = if engine.home() == Some(name.as_str()) { Engine::PodSecurity } else { engine };
        if !ids().contains(&record.id) && passes(outcome) {
            return Ok(());
        }
        let Outcome::Denied { guard, evidence, .. } = outcome else { return Err(told(outcome)) };
        // A label keeps nothing where nobody has set one: on the hardened range that is a policy's work.
        let newborn = (Guard::AdmissionPolicy, "policy newborn-namespaces");
        let (expected, who) =
            if engine == Engine::PodSecurity && record.id == NEWBORN { newborn } else { word(engine) };
        let by_name = if QUOTES.contains(&record.id.as_str()) {
            evidence.contains(engine.says())
        } else {
            refused_by(evidence).is_some_and(|names| names.iter().all(|by| by.starts_with(who)))
        };
        if *guard == expected && by_name { Ok(()) } else { Err(format!("denied by {guard}, not by {who}: {evidence}")) }
    })
}

const LOCKED: &str = "pod_security/labels-locked";

/// Without: what is about the standards is allowed in every cell, and nothing else is; but of Kyverno a tenant may make exceptions then, of both
/// kinds.
fn judge_open(engine: Engine, run: &Run) -> Result<()> {
    let excepts = |evidence: &str| evidence.contains("may 2 of") && evidence.contains("create policyexceptions");
    judge(run, |record, Cell { name, outcome, .. }| match outcome {
        _ if engine == Engine::Kyverno && record.id == LOCKED && name == "tenant-a" => match outcome {
            Outcome::Allowed { evidence } if excepts(evidence) => Ok(()),
            _ => Err(format!("with exceptions granted {}", told(outcome))),
        },
        _ if engine.home() == Some(name.as_str()) && passes(outcome) => Ok(()),
        Outcome::Allowed { .. } if ids().contains(&record.id) => Ok(()),
        _ if !ids().contains(&record.id) && passes(outcome) => Ok(()),
        _ => Err(format!("without protection {}", told(outcome))),
    })
}

fn judge(run: &Run, cell: impl Fn(&Record, &Cell) -> std::result::Result<(), String>) -> Result<()> {
    let ran: BTreeSet<String> = of_standards(run).map(|record| record.id.clone()).collect();
    ensure!(ran == ids(), "not every scenario of the standards ran");
    let mut wrong = Vec::new();
    for record in &run.scenarios {
        let applies = record.cells.iter().any(|cell| !matches!(cell.outcome, Outcome::NotApplicable { .. }));
        ensure!(applies, "{} applies nowhere", record.id);
        for found in &record.cells {
            if let Err(why) = cell(record, found) {
                wrong.push(format!("{} in {} is {why}", record.id, found.name));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

/// Of what is not about the standards: a namespace without a deployer has nobody to lock out.
fn passes(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Denied { .. } | Outcome::NotApplicable { .. })
}

/// What came of a cell, and the words for it.
pub(crate) fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Denied { guard, evidence, .. } => format!("denied by {guard}: {evidence}"),
        Outcome::Allowed { evidence } => format!("allowed: {evidence}"),
        Outcome::Waived { reason, .. } => format!("waived: {reason}"),
        Outcome::Inconclusive { why, .. } => format!("inconclusive: {why}"),
        Outcome::NotApplicable { why } => format!("not applicable: {why}"),
    }
}

/// Everybody who refused, as the evidence names them: `3 of 3 refused by a (1), b (2); the first: ...`, `refused by a: ...`.
fn refused_by(evidence: &str) -> Option<Vec<&str>> {
    let (_, rest) = evidence.split_once("refused by ")?;
    Some(rest.split([';', ':']).next()?.split(", ").collect())
}

/// Lines that only one of two lists has.
pub(crate) fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("gone: {line}"));
    let come = after.iter().filter(|line| !before.contains(line)).map(|line| format!("come: {line}"));
    gone.chain(come).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::several("3 of 3 refused by policy a (1), Kyverno (2); the first: pod: x", Some(vec!["policy a (1)", "Kyverno (2)"]))]
    #[case::one("refused by Kyverno: pod: spec/hostPID = true", Some(vec!["Kyverno"]))]
    #[case::nobody("it was odd", None)]
    fn who_refused(#[case] evidence: &str, #[case] expected: Option<Vec<&str>>) {
        assert_eq!(refused_by(evidence), expected);
    }
}
