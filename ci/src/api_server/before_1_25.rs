//! Proving the scenarios about PodSecurityPolicy where there still is one: denied on the hardened API server, and allowed, exactly those that
//! should be, under each sabotage.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness::record::{Outcome, Run};

use super::ApiServer;
use super::version::BEFORE_1_25;
use crate::prove::{Expected, failures, judge, sentence};
use crate::range::Progress;
use crate::range::sabotage::{all_in, commit, undo};

/// The scenarios that are about it.
const ABOUT: &str = "pod_security/psp-";
/// What fails where the plug-in is switched off: everything about it.
const WITHOUT_PLUG_IN: [&str; 3] =
    ["pod_security/psp-enforced", "pod_security/psp-use-authorised", "pod_security/psp-admission-on"];
/// Its guard is RBAC, and not the plug-in.
const KEPT_BY_RBAC: &str = "pod_security/labels-locked";

/// `ci/before-1.25/`: its module, its hardening, its sabotages.
fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("before-1.25")
}

/// The scenarios that are proved here, and that no cluster from 1.25 on can prove.
///
/// # Errors
/// When a sabotage is not well formed.
pub fn proved() -> Result<BTreeSet<String>> {
    let sabotages = all_in(&data_dir().join("sabotage"))?;
    let flips = sabotages.into_iter().flat_map(|sabotage| sabotage.flips);
    Ok(flips.chain(WITHOUT_PLUG_IN.map(str::to_owned)).collect())
}

/// Brings one up, hardened.
///
/// # Errors
/// When the machine cannot run it. Nothing of the attempt is left then.
pub async fn up(progress: &Progress) -> Result<ApiServer> {
    let server = ApiServer::up(&BEFORE_1_25, "before-1-25", progress).await?;
    server.harden().await?;
    Ok(server)
}

/// Brings an old API server up, proves the scenarios on it and ends it.
///
/// # Errors
/// Names the scenarios that did not do what they must.
pub async fn prove(progress: &Progress) -> Result<()> {
    let program = tokio::task::spawn_blocking(crate::suite_program::built).await??;
    let server = up(progress).await?;
    let proved = on(&server, &program, &|line| progress.line(line)).await;
    let gone = server.down().await;
    proved.and(gone)
}

async fn on(server: &ApiServer, program: &Path, tell: &dyn Fn(&str)) -> Result<()> {
    // The whole suite: what cannot be tried on such a cluster must say so, and nothing of it may crash.
    let whole = server.run(program, "prod", &[]).await?;
    is_honest(&whole)?;
    all_denied(&whole).context("the hardened API server")?;
    tell(&format!("hardened: {}", told(&whole)));
    let (kubectl, names) = (server.kubectl(), &server.names);
    for sabotage in all_in(&data_dir().join("sabotage"))? {
        let start = Instant::now();
        commit(&[&sabotage], &kubectl, names).await?;
        let run = server.run(program, "prod", &[ABOUT]).await;
        undo(&[&sabotage], &kubectl, names).await?;
        seen(Expected::of(&sabotage), &run?)?;
        tell(&format!(
            "{:<24} {} ({:.1} s)",
            sabotage.name,
            told_flips(&sabotage.flips),
            start.elapsed().as_secs_f64()
        ));
    }
    let start = Instant::now();
    server.restart(&[]).await?;
    let run = server.run(program, "prod", &[]).await?;
    let flips = WITHOUT_PLUG_IN.map(str::to_owned).into();
    let without = Expected { name: "without the plug-in", flips: &flips, shows: &[] };
    seen(without, &about(&run))?;
    nobody_is_credited(&run)?;
    tell(&format!("{:<24} {} ({:.1} s)", "without the plug-in", told_flips(&flips), start.elapsed().as_secs_f64()));
    server.restart(BEFORE_1_25.plug_ins).await?;
    all_denied(&server.run(program, "prod", &[ABOUT]).await?).context("with the plug-in again")?;
    tell("everything is denied again");
    Ok(())
}

fn seen(expected: Expected, run: &Run) -> Result<()> {
    let complaints = judge(&[expected], &failures(run));
    ensure!(complaints.is_empty(), "{}: {}", expected.name, sentence(&complaints));
    Ok(())
}

fn all_denied(run: &Run) -> Result<()> {
    let about = about(run);
    ensure!(about.scenarios.len() == WITHOUT_PLUG_IN.len(), "{} scenarios are about it", about.scenarios.len());
    let failures = failures(&about);
    ensure!(failures.is_empty(), "{failures:?}");
    Ok(())
}

/// The same run, with the scenarios about PodSecurityPolicy alone.
fn about(run: &Run) -> Run {
    let scenarios = run.scenarios.iter().filter(|record| record.id.starts_with(ABOUT));
    Run { scenarios: scenarios.cloned().collect(), ..run.clone() }
}

/// Every scenario has its record, and none crashed.
fn is_honest(run: &Run) -> Result<()> {
    let crashed = run.scenarios.iter().flat_map(|record| &record.cells).find(|cell| {
        matches!(&cell.outcome, Outcome::Inconclusive { why, .. } if why.contains("crashed") || why.contains("no verdict within"))
    });
    ensure!(crashed.is_none(), "a scenario does not know what to do with such a cluster: {crashed:?}");
    Ok(())
}

/// Without the plug-in nothing keeps pods in bounds: whoever says so all the same is wrong.
fn nobody_is_credited(run: &Run) -> Result<()> {
    let denied = |record: &&harness::record::Record| {
        record.id.starts_with("pod_security/")
            && record.id != KEPT_BY_RBAC
            && record.cells.iter().any(|cell| matches!(cell.outcome, Outcome::Denied { .. }))
    };
    let wrong: Vec<&str> = run.scenarios.iter().filter(denied).map(|record| record.id.as_str()).collect();
    ensure!(wrong.is_empty(), "without the plug-in nothing refuses a pod, and yet denied: {}", wrong.join(", "));
    Ok(())
}

fn told(run: &Run) -> String {
    let totals = run.totals();
    format!(
        "{} denied, those about PodSecurityPolicy among them; {} allowed, {} inconclusive, {} not applicable",
        totals.passed, totals.failed, totals.inconclusive, totals.not_applicable
    )
}

fn told_flips(flips: &BTreeSet<String>) -> String {
    format!("fails {} and nothing else", Vec::from_iter(flips.iter().map(String::as_str)).join(", "))
}
