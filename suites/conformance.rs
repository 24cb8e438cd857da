//! The live suite. `cargo test` starts a throw-away cluster, runs every scenario against it and removes it;
//! `cargo test -- --cluster prod` runs against a cluster that is there.
mod cli;
mod cluster;
mod console;
mod signals;
mod whereabouts;

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use harness::env::Env;
use harness::record::{Outcome, Record, Run, Totals};
use harness::scenario::{Entry, Impact};
use tokio::runtime::Runtime;

use cli::Cli;
use console::{note, say};

fn main() -> ExitCode {
    let ended = Cli::read().and_then(|cli| {
        let entries = scenarios::all();
        if cli.test.list {
            return Ok(libtest_mimic::run(&cli.test, harness::run::catalogue(&entries)).exit_code());
        }
        conformance(cli, entries)
    });
    ended.unwrap_or_else(|error| {
        // Other people's words are in it, and they may run over several lines.
        let sentence = format!("{error:#}");
        note(format!("error: {}", sentence.split_whitespace().collect::<Vec<_>>().join(" ")));
        ExitCode::FAILURE
    })
}

fn conformance(cli: Cli, entries: Vec<Entry>) -> Result<ExitCode> {
    let entries = harness::run::selected(&cli.test, entries);
    if entries.is_empty() {
        match &cli.test.filter {
            Some(filter) => bail!("no scenario matches {filter:?}: `cargo test -- --list` shows them all"),
            None => bail!("the options leave no scenario to run: `cargo test -- --list` shows them all"),
        }
    }
    reports::ensure_folder(&cli.report_dir())
        .map_err(|error| anyhow!("{error:#}; choose another with --report-dir"))?;
    let runtime = Runtime::new()?;
    let signals = signals::Watch::start(&runtime);
    let (range, env) = runtime.block_on(async {
        let cluster = cluster::reach(&cli, &signals).await?;
        let env = Env::open(&cli.cluster, cluster.connection, &cluster.settings, scenarios::LISTENING).await;
        anyhow::Ok((cluster.range, env))
    })?;
    let stays = range.is_none();
    let finished = env.and_then(|env| attempt_all(&cli, entries, env, stays, &runtime, &signals));
    // Whatever became of the run, a throw-away cluster goes.
    if let Some(range) = range {
        note("removing the throw-away cluster");
        runtime.block_on(range.down())?;
    }
    finished
}

fn attempt_all(
    cli: &Cli,
    entries: Vec<Entry>,
    env: Env,
    stays: bool,
    runtime: &Runtime,
    signals: &signals::Watch,
) -> Result<ExitCode> {
    if entries.iter().any(|entry| entry.scenario.impact >= Impact::Probe) {
        runtime.block_on(env.may_make_namespaces())?;
    }
    let facts = &env.facts;
    let pools = env.hosts.len();
    say(format!(
        "\nrunning {} scenarios against {} ({}, {}), {} namespaces, {pools} node pools",
        entries.len(),
        facts.name,
        facts.server,
        facts.version,
        facts.namespaces.len()
    ));
    let env = Arc::new(env);
    signals.guard(env.clone());
    // libtest's own printing knows neither guards nor cells: ours replaces it, unless one of its formats is asked for.
    let ours = cli.test.format.is_none() && !cli.test.quiet && cli.test.logfile.is_none();
    let (test, tell): (_, fn(&Record)) = if ours {
        (libtest_mimic::Arguments { logfile: Some(NOWHERE.into()), ..cli.test.clone() }, tell)
    } else {
        (cli.test.clone(), |_| ())
    };
    let ran = catch_unwind(AssertUnwindSafe(|| harness::run::run(&test, entries, &env, runtime.handle(), "oke", tell)));
    // A cluster that ends with the run takes everything with it.
    let swept = if stays { runtime.block_on(env.sandbox.sweep()) } else { Ok(()) };
    signals.release();
    let Ok((run, conclusion)) = ran else { bail!("the run crashed; what it had made was swept ({swept:?})") };
    let written = reports::write_all(&run, &cli.report_dir())?;
    if ours {
        for path in written {
            say(format!("report: {}", path.display()));
        }
        say(format!("\n{}", closing_line(&run)));
    }
    if let Err(left) = swept {
        bail!("cluster {name}: {left}, or have `cargo xtask sweep --cluster {name}` do it", name = cli.cluster);
    }
    if conclusion.num_passed + conclusion.num_failed + conclusion.num_ignored == 0 {
        bail!("no scenario ran");
    }
    Ok(conclusion.exit_code())
}

const NOWHERE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

fn tell(record: &Record) {
    let colors = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    say(reports::terminal::line(record, colors));
}

/// As libtest closes, so that whatever reads its last line reads ours; then in the words of a verdict.
fn closing_line(run: &Run) -> String {
    let Totals { passed, failed, inconclusive, skipped } = run.totals();
    let word = if failed + inconclusive == 0 { "ok" } else { "FAILED" };
    let denials: usize = run
        .scenarios
        .iter()
        .flat_map(|record| &record.cells)
        .filter(|cell| matches!(cell.outcome, Outcome::Denied { .. }))
        .count();
    format!(
        "test result: {word}. {passed} passed; {} failed; {skipped} ignored; 0 measured; 0 filtered out; finished in {:.2}s\n{} ({denials} cells denied)",
        failed + inconclusive,
        run.elapsed_ms as f64 / 1000.0,
        reports::terminal::summary(run),
    )
}
