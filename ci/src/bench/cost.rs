//! What a run costs the cluster: pods, execs, requests, CPU-seconds and seconds, its sweep included.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use harness::record::{Run, Totals};
use tokio::process::Command;

use super::accounting::{Nodes, Spent};
use crate::check::workspace;
use crate::range::Range;

/// The suites that are delivered.
const SUITES: [&str; 3] = ["oke", "prod", "quick"];
/// How long the range is watched idle: its own work comes in bursts some seconds apart.
const IDLE: Duration = Duration::from_secs(30);

/// Prints a line for each suite, and who spent what of its CPU-seconds.
///
/// # Errors
/// When a run leaves no record.
pub(super) async fn suites(range: &Range) -> Result<()> {
    let bench = Bench::open(range).await?;
    for suite in SUITES {
        let cost = bench.run(suite, &["--suite", suite]).await?;
        let idle = bench.idle(cost.seconds);
        println!("    {}", cost.spent.told());
        println!("    an idle range, in the same time: {:.1} CPU-seconds: {}", idle.total(), idle.told());
    }
    Ok(())
}

/// Prints a line for each scenario, run by itself.
///
/// # Errors
/// When a run leaves no record.
pub(super) async fn scenarios(range: &Range) -> Result<()> {
    let bench = Bench::open(range).await?;
    for entry in scenarios::all() {
        bench.run(&entry.id, &["--suite", "oke", &entry.id, "--exact"]).await?;
    }
    Ok(())
}

struct Bench<'a> {
    range: &'a Range,
    program: PathBuf,
    nodes: Nodes,
    /// What the range spends in a second while nobody asks anything of it.
    idle: Spent,
}

struct Cost {
    spent: Spent,
    seconds: f64,
}

impl<'a> Bench<'a> {
    async fn open(range: &'a Range) -> Result<Self> {
        let program = tokio::task::spawn_blocking(crate::suite_program::built).await??;
        let nodes = Nodes::of(range).await?;
        let (before, start) = (nodes.spent()?, Instant::now());
        tokio::time::sleep(IDLE).await;
        let idle = (nodes.spent()? - before).times(1.0 / start.elapsed().as_secs_f64());
        println!(
            "{:<42} {:>5} {:>6} {:>9} {:>12} {:>8}   result",
            "", "pods", "execs", "requests", "CPU-seconds", "seconds"
        );
        Ok(Self { range, program, nodes, idle })
    }

    fn idle(&self, seconds: f64) -> Spent {
        self.idle.times(seconds)
    }

    /// Runs the suite and prints its line: what an idle range spends is in it, as it is in the kernel's accounts.
    async fn run(&self, name: &str, options: &[&str]) -> Result<Cost> {
        let (before, start) = (self.nodes.spent()?, Instant::now());
        let run = record(&self.program, self.range, options).await.with_context(|| name.to_owned())?;
        let seconds = start.elapsed().as_secs_f64();
        let spent = self.nodes.spent()? - before;
        println!(
            "{name:<42} {:>5} {:>6} {:>9} {:>12.1} {seconds:>8.1}   {}",
            run.pods,
            run.execs,
            run.requests,
            spent.total(),
            result(&run)
        );
        Ok(Cost { spent, seconds })
    }
}

/// What came of it: a run in which something is not denied costs what failing costs.
fn result(run: &Run) -> String {
    let Totals { passed, failed, inconclusive, not_applicable, .. } = run.totals();
    format!("{passed} denied, {failed} allowed, {inconclusive} inconclusive, {not_applicable} not applicable")
}

/// Runs the suite's program, as a user would with cargo.
async fn record(program: &Path, range: &Range, options: &[&str]) -> Result<Run> {
    let reports = workspace().join("target/conformance").join(format!("bench-{}", range.name()));
    let record = reports.join("run.json");
    if record.exists() {
        std::fs::remove_file(&record).with_context(|| format!("{} cannot be removed", record.display()))?;
    }
    let mut suite = Command::new(program);
    suite.args(["--cluster", &format!("kind:{}", range.name())]).args(options).arg("--report-dir").arg(&reports);
    let ended = suite.stdin(Stdio::null()).kill_on_drop(true).output().await.context("the suite cannot be started")?;
    let Ok(text) = std::fs::read(&record) else {
        bail!("the suite wrote no record: {}", String::from_utf8_lossy(&ended.stderr).trim())
    };
    serde_json::from_slice(&text).with_context(|| format!("{} cannot be read", record.display()))
}
