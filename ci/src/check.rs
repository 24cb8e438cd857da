//! Every test there is: those that need no cluster, those of clusters below 1.25, then, on one range, those that do, and the proof of the
//! suite by its sabotages, with each policy engine, by holes, on other clusters and under faults.

mod steps;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use steps::Steps;

use crate::faults::{Extent, Fault};
use crate::prove::{Company, Seed, Subject};
use crate::range::{Engine, Lifetime, Progress, Range, Variant};

/// The range that the tests share; none of them leaves it other than it was.
const RANGE: &str = "check";

/// The engines that it proves. What the range is hardened with, the sabotages have proved. Gatekeeper is left to `cargo xtask range engines
/// gatekeeper`: on a bare machine its program takes minutes to build, and a second engine behind a webhook is worth that to those alone who change
/// what is known of it.
const ENGINES: [Engine; 2] = [Engine::AdmissionPolicy, Engine::Kyverno];

/// Runs all of it, and tells what each step took.
///
/// # Errors
/// Names the first step that failed.
pub async fn check(progress: Progress) -> Result<()> {
    let tell = |line: &str| progress.line(line);
    let steps = Steps::new(&tell);
    let checked = all(&steps, &tell, &progress).await;
    steps.conclude(checked.is_ok());
    checked
}

async fn all(steps: &Steps<'_>, tell: &dyn Fn(&str), progress: &Progress) -> Result<()> {
    tests(steps, "unit tests", cargo("unit --quiet")).await?;
    // These start and end clusters and containers of their own.
    let own =
        "test --quiet --package ci --test range --test dual_stack --test kind_accepts_the_image --test metadata_image";
    tests(steps, "clusters of their own", cargo(&format!("{own} -- --ignored --test-threads=1"))).await?;
    let old = "test --quiet --package ci --test before_1_25 -- --ignored --test-threads=1";
    tests(steps, "what ended with Kubernetes 1.25", cargo(old)).await?;
    let range = steps.step("the range comes up", Range::up(RANGE, Lifetime::ThrowAway, progress.clone())).await?;
    let checked = on(&range, steps, tell).await;
    let gone = range.down().await;
    checked.and(gone)
}

async fn on(range: &Range, steps: &Steps<'_>, tell: &dyn Fn(&str)) -> Result<()> {
    for (name, test) in [
        ("bad input and leftovers", "range_bad_input"),
        ("what a run costs", "cost"),
        ("the least role", "least_privilege"),
        ("the recorded answers", "denial_corpus"),
        ("the metadata service's log", "metadata_claims"),
    ] {
        let mut command = cargo(&format!("test --quiet --package ci --test {test} -- --ignored --test-threads=1"));
        command.env("OKE_CONFORMANCE_RANGE", range.name());
        tests(steps, name, command).await?;
    }
    let subject = Subject::everything()?;
    let company = Company::Drawn(Seed::new());
    steps.step("sabotages", crate::prove::prove(range, &subject, company, tell)).await?;
    steps.step("policy engines", crate::prove_engines::prove(range, &ENGINES, tell)).await?;
    steps.step("holes", crate::holes::find(range, None, tell)).await?;
    let variants = Variant::all()?;
    steps.step("variants", crate::prove_variants::prove(range, &variants, false, tell)).await?;
    let extent = Extent::plain();
    steps.step("faults", crate::faults::prove(range, &Fault::of_a_night(extent.seed), extent, tell)).await?;
    Ok(())
}

async fn tests(steps: &Steps<'_>, name: &str, mut command: Command) -> Result<()> {
    let ran = async {
        let status = command.status().await.context("cargo cannot be started")?;
        ensure!(status.success(), "{name} failed: the lines above say which");
        Ok(())
    };
    steps.step(name, ran).await
}

fn cargo(line: &str) -> Command {
    let mut command = Command::from(crate::cargo::command());
    command.args(line.split(' ')).current_dir(workspace()).kill_on_drop(true);
    command
}

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
