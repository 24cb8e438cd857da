//! How a run grows with the namespaces in scope: what admission alone decides, on ten of them and on a hundred.

use anyhow::{Context, Result, ensure};
use harness::record::{Outcome, Run};
use serde_json::{Value, json};

use crate::check::workspace;
use crate::prove::suite_with;
use crate::range::Range;

/// Namespaces in scope.
const SIZES: [usize; 5] = [10, 20, 50, 75, 100];
/// What their names begin with.
const PREFIX: &str = "bench-";
/// Runs of each size; the best is told, for whatever else the machine does only ever slows one down.
const RUNS: usize = 2;
/// Deleting a hundred namespaces takes their controller a while.
const GONE_WITHIN: &str = "--timeout=180s";

/// Makes namespaces with a deployer each, runs the admission scenarios on more and more of them, and prints the curve.
///
/// # Errors
/// When a namespace cannot be made, or something but a denial is found.
pub(super) async fn curve(range: &Range) -> Result<()> {
    let all = make(range, SIZES[SIZES.len() - 1], tenant).await?;
    let measured = measure(range, &all).await;
    unmake(range, &all).await?;
    println!(
        "namespaces   cells   attempts   requests        run   attempts/s   p95 of a cell's slowest   peak memory"
    );
    for Measured { namespaces, cells, attempts, requests, run_ms, p95_ms, memory_kib } in measured? {
        let rate = attempts as f64 / (run_ms as f64 / 1000.0);
        println!(
            "{namespaces:>10} {cells:>7} {attempts:>10} {requests:>10} {run_ms:>7} ms {rate:>12.0} {p95_ms:>22} ms {memory_kib:>9} KiB"
        );
    }
    Ok(())
}

/// Makes `count` namespaces out of what `tenant` has for each name.
pub(super) async fn make<const OBJECTS: usize>(
    range: &Range,
    count: usize,
    tenant: fn(&str) -> [Value; OBJECTS],
) -> Result<Vec<String>> {
    let all: Vec<String> = (0..count).map(|number| format!("{PREFIX}{number:03}")).collect();
    let manifests: Vec<Value> = all.iter().flat_map(|name| tenant(name)).collect();
    range.kubectl().apply(&json!({ "apiVersion": "v1", "kind": "List", "items": manifests }).to_string()).await?;
    Ok(all)
}

pub(super) async fn unmake(range: &Range, all: &[String]) -> Result<()> {
    let delete =
        [&["delete", "namespaces", GONE_WITHIN][..], &all.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    range.kubectl().run(&delete).await.map(drop)
}

struct Measured {
    namespaces: usize,
    cells: usize,
    attempts: usize,
    requests: u64,
    run_ms: u64,
    p95_ms: u64,
    memory_kib: u64,
}

async fn measure(range: &Range, all: &[String]) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for size in SIZES {
        let suite = suite_file(
            "scenarios = [\"pod_security/*\", \"images/*\"]\nexcept = [\"pod_security/exempt-namespaces-known\"]\nimpact = \"dry-run\"",
            &all[..size],
        )?;
        let mut best: Option<Run> = None;
        for _ in 0..RUNS {
            let run = suite_with(range, &["--suite", &suite]).await?;
            if best.as_ref().is_none_or(|best| run.elapsed_ms < best.elapsed_ms) {
                best = Some(run);
            }
        }
        measured.push(Measured::of(size, &best.context("no run")?)?);
    }
    Ok(measured)
}

/// A suite of its own for `namespaces`, all where none is named; its path.
pub(super) fn suite_file(selection: &str, namespaces: &[String]) -> Result<String> {
    let file = workspace().join("target/conformance/bench.toml");
    std::fs::create_dir_all(file.parent().context("no folder")?)?;
    let names = namespaces.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let scope = if names.is_empty() { String::new() } else { format!("[scope]\nnamespaces = [{names}]\n") };
    let text = format!("purpose = \"a benchmark\"\n{selection}\n{scope}");
    std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(file.canonicalize()?.display().to_string())
}

impl Measured {
    fn of(namespaces: usize, run: &Run) -> Result<Self> {
        let cells: Vec<_> = run.scenarios.iter().flat_map(|record| &record.cells).collect();
        let denied = cells.iter().filter(|cell| matches!(cell.outcome, Outcome::Denied { .. })).count();
        ensure!(
            denied == cells.len(),
            "{} of {} cells are not denied: the rate would be one of failing",
            cells.len() - denied,
            cells.len()
        );
        let mut slowest: Vec<u64> = cells.iter().filter_map(|cell| cell.denied_after_ms).collect();
        slowest.sort_unstable();
        Ok(Self {
            namespaces,
            cells: denied,
            attempts: cells.iter().map(|cell| cell.attempts).sum(),
            p95_ms: slowest.get(slowest.len() * 95 / 100).copied().unwrap_or_default(),
            requests: run.requests,
            run_ms: run.elapsed_ms,
            memory_kib: run.peak_memory_kib.unwrap_or_default(),
        })
    }
}

/// A namespace as the hardened ones are: restricted, with an account that deploys.
fn tenant(name: &str) -> [Value; 3] {
    [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": name, "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
        } }),
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "deployer", "namespace": name } }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "deployer", "namespace": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tenant-deployer" },
            "subjects": [{ "kind": "ServiceAccount", "name": "deployer", "namespace": name }],
        }),
    ]
}
