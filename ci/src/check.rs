//! Every test there is: those that need no cluster, those of clusters below 1.25, then, on one range, those that do, and the proof of the
//! suite by its sabotages, with each policy engine and under faults.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::faults::Fault;
use crate::prove::{Company, Seed, Subject};
use crate::range::{Engine, Lifetime, Progress, Range};

/// The range that the tests share; none of them leaves it other than it was.
const RANGE: &str = "check";

/// Runs all of it.
///
/// # Errors
/// Names the first step that failed.
pub async fn check(progress: Progress) -> Result<()> {
    let tell = |line: &str| progress.line(line);
    step("unit tests", &tell, cargo("unit --quiet")).await?;
    // These start and end clusters and containers of their own.
    let own =
        "test --quiet --package ci --test range --test dual_stack --test kind_accepts_the_image --test metadata_image";
    step("clusters of their own", &tell, cargo(&format!("{own} -- --ignored --test-threads=1"))).await?;
    let old = "test --quiet --package ci --test before_1_25 -- --ignored --test-threads=1";
    step("what ended with Kubernetes 1.25", &tell, cargo(old)).await?;
    let range = Range::up(RANGE, Lifetime::ThrowAway, progress.clone()).await?;
    let checked = on(&range, &tell).await;
    let gone = range.down().await;
    checked.and(gone)
}

async fn on(range: &Range, tell: &dyn Fn(&str)) -> Result<()> {
    for (name, test) in [
        ("bad input and leftovers", "range_bad_input"),
        ("the least role", "least_privilege"),
        ("the recorded answers", "denial_corpus"),
        ("the metadata service's log", "metadata_claims"),
    ] {
        let mut command = cargo(&format!("test --quiet --package ci --test {test} -- --ignored --test-threads=1"));
        command.env("OKE_CONFORMANCE_RANGE", range.name());
        step(name, tell, command).await?;
    }
    let start = Instant::now();
    crate::prove::prove(range, &Subject::everything()?, Company::Drawn(Seed::new()), tell).await?;
    tell(&format!("sabotages: all seen ({:.1} s)", start.elapsed().as_secs_f64()));
    let start = Instant::now();
    // What the range is hardened with, the sabotages have proved.
    let others: Vec<Engine> = Engine::ALL.into_iter().filter(|engine| *engine != Engine::PodSecurity).collect();
    crate::prove_engines::prove(range, &others, tell).await?;
    tell(&format!("policy engines: all known by name ({:.1} s)", start.elapsed().as_secs_f64()));
    let start = Instant::now();
    crate::faults::prove(range, &Fault::all(), false, tell).await?;
    tell(&format!("faults: honest under each ({:.1} s)", start.elapsed().as_secs_f64()));
    Ok(())
}

async fn step(name: &str, tell: &dyn Fn(&str), mut command: Command) -> Result<()> {
    let start = Instant::now();
    tell(&format!("{name} ..."));
    let status = command.status().await.context("cargo cannot be started")?;
    ensure!(status.success(), "{name} failed: the lines above say which");
    tell(&format!("{name}: all green ({:.1} s)", start.elapsed().as_secs_f64()));
    Ok(())
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
