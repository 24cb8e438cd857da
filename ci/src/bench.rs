//! How long things take here: numbers to be printed and compared, never asserted.

mod accounting;
mod cost;
mod namespaces;
mod network;

use std::time::{Duration, Instant};

use anyhow::Result;
use harness::record::Run;

use crate::prove::suite;
use crate::range::{Lifetime, Progress, Range};

/// The range that is measured.
const RANGE: &str = "bench";
/// Runs against it: the first finds the nodes cold.
const RUNS: usize = 5;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// The whole suite, several times
    Runs,
    /// What each suite costs the cluster: pods, execs, requests, CPU-seconds and who spent them, seconds
    Suites,
    /// ... and each scenario, run by itself
    Scenarios,
    /// How a run grows with the namespaces in scope
    Namespaces,
    /// Policy cases a minute, pairs of namespaces a second, how soon a policy bites
    Network,
}

/// Prints what each of `parts` takes, all where none is named, on a range of its own or on that which is named.
///
/// # Errors
/// When the range does not come up or the suite writes no record.
pub async fn bench(parts: &[Part], range: Option<&str>, progress: Progress) -> Result<()> {
    if let Some(name) = range {
        return measure(&Range::attach(name).await?, parts).await;
    }
    let range = Range::up(RANGE, Lifetime::ThrowAway, progress).await?;
    println!("range up (image cached)      {:>8.1} s", range.timings().whole.as_secs_f64());
    let measured = measure(&range, parts).await;
    let start = Instant::now();
    range.down().await?;
    println!("range down                   {:>8.1} s", start.elapsed().as_secs_f64());
    measured
}

async fn measure(range: &Range, parts: &[Part]) -> Result<()> {
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    if wanted(Part::Runs) {
        whole_runs(range).await?;
    }
    if wanted(Part::Suites) {
        cost::suites(range).await?;
    }
    if wanted(Part::Scenarios) {
        cost::scenarios(range).await?;
    }
    if wanted(Part::Namespaces) {
        namespaces::curve(range).await?;
    }
    if wanted(Part::Network) {
        network::figures(range).await?;
    }
    Ok(())
}

async fn whole_runs(range: &Range) -> Result<()> {
    let runs = runs(range).await?;
    let row = |name: &str, unit: &str, value: fn(&Measured) -> Vec<u64>| {
        let mut values: Vec<u64> = runs.iter().flat_map(value).collect();
        values.sort_unstable();
        println!(
            "{name:<28} {:>8} {unit} (p50), {} to {}, {} values",
            middle(&values),
            values.first().unwrap_or(&0),
            values.last().unwrap_or(&0),
            values.len()
        );
    };
    row("first verdict", "ms", |measured| vec![measured.first_verdict_ms]);
    row("whole run", "ms", |measured| vec![measured.run_ms]);
    row("command, sweep included", "ms", |measured| vec![measured.command.as_millis() as u64]);
    row("probe running after", "ms", |measured| measured.probes_ms.clone());
    row("peak memory of the suite", "KiB", |measured| vec![measured.peak_memory_kib]);
    row("pods", "pods", |measured| vec![measured.pods]);
    Ok(())
}

struct Measured {
    first_verdict_ms: u64,
    run_ms: u64,
    command: Duration,
    probes_ms: Vec<u64>,
    peak_memory_kib: u64,
    pods: u64,
}

async fn runs(range: &Range) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let run = suite(range).await?;
        measured.push(Measured::of(&run, start.elapsed()));
    }
    Ok(measured)
}

impl Measured {
    fn of(run: &Run, command: Duration) -> Self {
        let verdicts = run.scenarios.iter().map(|record| record.started_ms + record.elapsed_ms);
        Self {
            first_verdict_ms: verdicts.min().unwrap_or_default(),
            run_ms: run.elapsed_ms,
            command,
            probes_ms: run.probes.iter().map(|probe| probe.running_after_ms).collect(),
            peak_memory_kib: run.peak_memory_kib.unwrap_or_default(),
            pods: run.pods as u64,
        }
    }
}

fn middle(sorted: &[u64]) -> u64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
