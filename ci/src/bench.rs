//! How long things take here: numbers to be printed and compared, never asserted.

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

/// Brings a range up, runs the whole suite against it several times, prints what each part took, and removes it.
///
/// # Errors
/// When the range does not come up or the suite writes no record.
pub async fn bench(progress: Progress) -> Result<()> {
    let range = Range::up(RANGE, Lifetime::ThrowAway, progress).await?;
    let up = range.timings().whole;
    let measured = runs(&range).await;
    let curve = namespaces::curve(&range).await;
    let network = network::figures(&range).await;
    let start = Instant::now();
    range.down().await?;
    let down = start.elapsed();
    let runs = measured?;
    println!("range up (image cached)      {:>8.1} s", up.as_secs_f64());
    println!("range down                   {:>8.1} s", down.as_secs_f64());
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
    curve.and(network)
}

struct Measured {
    first_verdict_ms: u64,
    run_ms: u64,
    command: Duration,
    probes_ms: Vec<u64>,
    peak_memory_kib: u64,
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
        }
    }
}

fn middle(sorted: &[u64]) -> u64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
