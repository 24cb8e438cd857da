//! The live suite. `cargo test` starts a throw-away cluster, runs every scenario against it and removes it;
//! `cargo test -- --cluster prod` runs against a cluster that is there.
mod cli;
mod cluster;
mod console;
mod plan;
mod selection;
mod signals;
mod whereabouts;

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use harness::env::Env;
use harness::preflight::Plan;
use harness::record::{Outcome, Record, Run, Totals};
use harness::sandbox::{Swept, sweep_expired};
use harness::scenario::Entry;
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
    let settings = cluster::settings(&cli)?;
    let (suite, mut selection) = selection::suite(&cli, settings.suite.as_deref(), &entries)?;
    let allows = selection.allow_also(&settings.allow, &entries);
    allows.with_context(|| format!("the entry of cluster {} in conformance.toml cannot be used", cli.cluster))?;
    let waivers = selection::waivers(&cli, &entries)?;
    let everything = harness::run::selected(&cli.test, entries);
    let matched = everything.len();
    let entries = selection.select(everything);
    if entries.is_empty() {
        match &cli.test.filter {
            _ if matched > 0 => bail!(
                "suite {suite} runs none of the {matched} scenarios that are asked for: name another with --suite"
            ),
            Some(filter) => bail!("no scenario matches {filter:?}: `cargo test -- --list` shows them all"),
            None => bail!("the options leave no scenario to run: `cargo test -- --list` shows them all"),
        }
    }
    reports::ensure_folder(&cli.report_dir())
        .map_err(|error| anyhow!("{error:#}; choose another with --report-dir"))?;
    let runtime = Runtime::new()?;
    let signals = signals::Watch::start(&runtime);
    let reached = runtime.block_on(async {
        let cluster = cluster::reach(&cli, &settings, &signals).await?;
        let env = Env::open(&cli.cluster, cluster.connection, &settings, selection, scenarios::LISTENING).await;
        let env = env.map(|env| Env { waivers, ..env });
        anyhow::Ok((cluster.range, env))
    });
    signals.stand_aside();
    let (range, env) = reached?;
    let stays = range.is_none();
    let finished = env.and_then(|env| attempt_all(&cli, &suite, entries, env, stays, &runtime, &signals));
    // Whatever became of the run, a throw-away cluster goes.
    if let Some(range) = range {
        note("removing the throw-away cluster");
        runtime.block_on(range.down())?;
    }
    finished
}

fn attempt_all(
    cli: &Cli,
    suite: &str,
    entries: Vec<Entry>,
    env: Env,
    stays: bool,
    runtime: &Runtime,
    signals: &signals::Watch,
) -> Result<ExitCode> {
    let preflight =
        runtime.block_on(Plan::of(&env, &entries)).map_err(|why| anyhow!("cluster {}: {why}", cli.cluster))?;
    if cli.plan {
        for line in plan::lines(&preflight, &env, suite) {
            say(line);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(why) = preflight.too_many(env.most_pods) {
        bail!("cluster {}: {why}", cli.cluster);
    }
    match preflight.cannot_sweep() {
        Some(why) => env.sandbox.refuse(why),
        None if preflight.makes() => {
            // What others left does not stand in this run's way; it is told, and the next run looks again.
            let swept = runtime.block_on(sweep_expired(&env.personas.operator.client));
            if let Some(why) = swept.map_or_else(Some, |swept| swept.warning) {
                note(format!("warning: {why}"));
            }
        }
        None => {}
    }
    let facts = &env.facts;
    let pools = env.hosts.len();
    say(format!(
        "\nrunning {} scenarios of suite {suite} against {} ({}, {}), {} namespaces, {pools} node pools",
        entries.len(),
        facts.name,
        facts.server,
        facts.version,
        facts.namespaces.len()
    ));
    if let Some(lacking) = plan::lacking(&preflight.missing) {
        say(lacking);
    }
    let env = Arc::new(env);
    signals.guard(env.clone());
    // libtest's own printing knows neither guards nor cells: ours replaces it, unless one of its formats is asked for.
    let ours = cli.test.format.is_none() && !cli.test.quiet && cli.test.logfile.is_none();
    let (test, tell): (_, fn(&Record)) = if ours {
        (libtest_mimic::Arguments { logfile: Some(NOWHERE.into()), ..cli.test.clone() }, tell)
    } else {
        (cli.test.clone(), |_| ())
    };
    let ran = catch_unwind(AssertUnwindSafe(|| harness::run::run(&test, entries, &env, runtime.handle(), suite, tell)));
    signals.stand_aside();
    // A cluster that ends with the run takes everything with it.
    let swept = if stays { runtime.block_on(env.sandbox.sweep()) } else { Ok(Swept::default()) };
    signals.stand_aside();
    signals.release();
    let Ok((run, conclusion)) = ran else { bail!("the run crashed; what it had made was swept ({swept:?})") };
    let written = reports::write_all(&run, &cli.report_dir())?;
    if ours {
        for path in written {
            say(format!("report: {}", path.display()));
        }
        for line in reports::terminal::waivers(&run).into_iter().chain(reports::terminal::allowances(&run)) {
            say(line);
        }
        say(format!("\n{}", closing_line(&run)));
    }
    match swept {
        Ok(Swept { warning: Some(held), .. }) => note(format!("warning: cluster {}: {held}", cli.cluster)),
        Ok(_) => {}
        Err(left) => {
            bail!("cluster {name}: {left}, or have `cargo xtask sweep --cluster {name}` do it", name = cli.cluster)
        }
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
    let Totals { passed, failed, inconclusive, waived, not_applicable } = run.totals();
    let word = if failed + inconclusive == 0 { "ok" } else { "FAILED" };
    let denials: usize = run
        .scenarios
        .iter()
        .flat_map(|record| &record.cells)
        .filter(|cell| matches!(cell.outcome, Outcome::Denied { .. }))
        .count();
    format!(
        "test result: {word}. {passed} passed; {} failed; {} ignored; 0 measured; 0 filtered out; finished in {:.2}s\n{} ({denials} cells denied)",
        failed + inconclusive,
        waived + not_applicable,
        run.elapsed_ms as f64 / 1000.0,
        reports::terminal::summary(run),
    )
}
