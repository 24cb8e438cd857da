//! What packets cost: policy cases a minute, pairs of namespaces a second, how soon a policy bites, and how many pods all that takes.

use anyhow::{Context, Result, ensure};
use harness::record::measurement::Named;
use harness::record::{Measurement, Outcome, Record, Run};
use serde_json::{Value, json};

use super::namespaces::{make, suite_file, unmake};
use crate::prove::suite_with;
use crate::range::Range;

/// Namespaces in scope.
const SIZES: [usize; 3] = [5, 20, 50];

/// Runs each scenario alone and prints its figures.
///
/// # Errors
/// When one is not denied: the figures would be those of failing.
pub(super) async fn figures(range: &Range) -> Result<()> {
    let run = alone(range, "network/grants-hold", &[]).await?;
    let (record, seconds) = of(&run)?;
    let cases = scenarios::all().into_iter().find(|entry| entry.id == record.id);
    let cases = (cases.context("no such scenario")?.scenario.attempts)(&run.cluster).len();
    println!(
        "policy cases                 {cases:>8} in {seconds:.1} s: {:.0} a minute, {} pods; {}",
        cases as f64 / seconds * 60.0,
        run.pods,
        evidence(record)
    );
    for id in ["network/enforcement-latency", "metadata/startup-window"] {
        let run = alone(range, id, &[]).await?;
        of(&run)?;
        for Measurement { name, spreads, .. } in &run.measurements {
            for Named { over, spread } in spreads {
                println!("{name}, {over}: {spread}");
            }
        }
    }
    let all = make(range, SIZES[SIZES.len() - 1], walled).await?;
    let pairs = pairs(range, &all).await;
    unmake(range, &all).await?;
    println!("namespaces    pairs   attempts        run   pairs/s    pods   requests   peak memory");
    for line in pairs? {
        println!("{line}");
    }
    Ok(())
}

async fn pairs(range: &Range, all: &[String]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for size in SIZES {
        let run = alone(range, "network/namespaces-isolated", &all[..size]).await?;
        let (record, seconds) = of(&run)?;
        let attempts: usize = record.cells.iter().map(|cell| cell.attempts).sum();
        lines.push(format!(
            "{size:>10} {:>8} {attempts:>10} {:>7} ms {:>9.0} {:>7} {:>10} {:>9} KiB",
            record.cells.len(),
            record.elapsed_ms,
            record.cells.len() as f64 / seconds,
            run.pods,
            run.requests,
            run.peak_memory_kib.unwrap_or_default()
        ));
    }
    Ok(lines)
}

async fn alone(range: &Range, id: &str, namespaces: &[String]) -> Result<Run> {
    let suite = suite_file(&format!("scenarios = [{id:?}]\nimpact = \"intrusive\""), namespaces)?;
    suite_with(range, &["--suite", &suite]).await
}

fn of(run: &Run) -> Result<(&Record, f64)> {
    let [record] = run.scenarios.as_slice() else { anyhow::bail!("{} scenarios ran", run.scenarios.len()) };
    ensure!(matches!(record.outcome, Outcome::Denied { .. }), "{} is not denied: {:?}", record.id, record.outcome);
    Ok((record, record.elapsed_ms as f64 / 1000.0))
}

fn evidence(record: &Record) -> &str {
    match &record.outcome {
        Outcome::Denied { evidence, .. } => evidence,
        _ => "",
    }
}

/// A namespace as the hardened ones are: restricted, and closed both ways.
fn walled(name: &str) -> [Value; 2] {
    [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": name, "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
        } }),
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "default-deny", "namespace": name },
            "spec": { "podSelector": {}, "policyTypes": ["Ingress", "Egress"] },
        }),
    ]
}
