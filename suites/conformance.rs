//! The live suite. `cargo test` starts a throw-away cluster, runs every scenario against it and removes it;
//! `cargo test -- --cluster prod` runs against a cluster that is there.
mod cli;
mod cluster;
mod console;
mod namesake;
mod plan;
mod selection;
mod signals;
mod whereabouts;

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Error, Result, anyhow, bail};
use harness::env::Env;
use harness::preflight::Plan;
use harness::printable;
use harness::record::{Record, Run};
use harness::sandbox::{Swept, sweep_expired};
use harness::scenario::Entry;
use harness::settings::AcknowledgedExitCode;
use libtest_mimic::Conclusion;
use reports::terminal::{self, Terminal};
use reports::{Folder, closing};
use tokio::runtime::Runtime;

use cli::{Asked, Cli};
use console::{note, say, show};

fn main() -> ExitCode {
    let ended = Cli::read().map_err(unread).and_then(|cli| {
        let entries = scenarios::all();
        if cli.test.list {
            return Ok(libtest_mimic::run(&cli.test, harness::run::catalogue(&entries)).exit_code());
        }
        if cli.plan {
            return conformance(cli, entries, None);
        }
        // The first thing that may fail: from here on nothing that an earlier run has left passes for this one's.
        let folder = begin(&cli.report_dir(), &cli.cluster, cli.suite.as_deref())?;
        conformance(cli, entries, Some(folder.clone())).map_err(|error| told(&folder, error))
    });
    ended.unwrap_or_else(|error| {
        note(format!("error: {}", sentence(&error)));
        ExitCode::FAILURE
    })
}

/// Other people's words are in it, and they may run over several lines.
fn sentence(error: &Error) -> String {
    printable::line(&format!("{error:#}"))
}

fn begin(dir: &Path, cluster: &str, suite: Option<&str>) -> Result<Arc<Folder>> {
    let suite = suite.map(selection::name);
    let folder = Folder::begin(dir, cluster, suite.as_deref());
    Ok(Arc::new(folder.map_err(|error| anyhow!("{error:#}; choose another with --report-dir"))?))
}

/// The error, once the reports say it too.
fn told(folder: &Folder, error: Error) -> Error {
    match folder.fail(&sentence(&error)) {
        Ok(()) => error,
        Err(unwritten) => anyhow!("{error:#}; {unwritten:#}"),
    }
}

/// As [`told`], for words that are no command line: whoever publishes the reports does so all the same.
fn unread(error: Error) -> Error {
    let Some(Asked { report_dir, cluster, suite }) = Asked::read() else { return error };
    match begin(&report_dir, &cluster, suite.as_deref()) {
        Ok(folder) => told(&folder, error),
        Err(in_the_way) => anyhow!("{error:#}; {in_the_way:#}"),
    }
}

fn conformance(cli: Cli, entries: Vec<Entry>, folder: Option<Arc<Folder>>) -> Result<ExitCode> {
    let settings = cluster::settings(&cli)?;
    let (suite, mut selection) = selection::suite(&cli, settings.suite.as_deref(), &entries)?;
    let allows = selection.allow_also(&settings.allow, &entries);
    allows.with_context(|| format!("the entry of cluster {} in conformance.toml cannot be used", cli.cluster))?;
    let waivers = selection::waivers(&cli, &entries)?;
    let everything = harness::run::selected(&cli.test, entries);
    let matched = everything.len();
    let (entries, alarming): (Vec<Entry>, Vec<Entry>) = selection
        .select(everything)
        .into_iter()
        .partition(|entry| !(settings.without_alarms && scenarios::is_alarming(&entry.id)));
    if let Some(without) = plan::without(&alarming) {
        note(without);
    }
    if entries.is_empty() {
        match &cli.test.filter {
            _ if matched > 0 => bail!(
                "suite {suite} runs none of the {matched} scenarios that are asked for: name another with --suite"
            ),
            Some(filter) => bail!("no scenario matches {filter:?}: `cargo test -- --list` shows them all"),
            None => bail!("the options leave no scenario to run: `cargo test -- --list` shows them all"),
        }
    }
    let runtime = Runtime::new()?;
    let signals = signals::Watch::start(&runtime, folder.clone());
    let reached = runtime.block_on(async {
        let cluster = cluster::reach(&cli, &settings, &signals).await?;
        let env = Env::open(&cli.cluster, cluster.connection, &settings, selection, scenarios::LISTENING).await;
        let env = env.map(|env| Env { waivers, ..env });
        anyhow::Ok((cluster.range, env))
    });
    signals.stand_aside();
    let (range, env) = reached?;
    let session = Session {
        cli: &cli,
        suite: &suite,
        stays: range.is_none(),
        runtime: &runtime,
        signals: &signals,
        folder: folder.as_deref(),
        acknowledged: settings.acknowledged_exit_code,
    };
    let finished = env.and_then(|env| attempt_all(&session, entries, env));
    // Whatever became of the run, a throw-away cluster goes.
    if let Some(range) = range {
        note("removing the throw-away cluster");
        runtime.block_on(range.down())?;
    }
    finished
}

/// What a run is asked for, and what goes along with it.
struct Session<'a> {
    cli: &'a Cli,
    suite: &'a str,
    /// Whether the cluster is there after the run.
    stays: bool,
    runtime: &'a Runtime,
    signals: &'a signals::Watch,
    /// Where its reports go; none where nothing is to be attempted.
    folder: Option<&'a Folder>,
    /// How it ends where nothing is worse than what is acknowledged.
    acknowledged: AcknowledgedExitCode,
}

fn attempt_all(session: &Session, entries: Vec<Entry>, env: Env) -> Result<ExitCode> {
    let Session { cli, suite, stays, runtime, signals, folder, acknowledged } = *session;
    let preflight =
        runtime.block_on(Plan::of(&env, &entries)).map_err(|why| anyhow!("cluster {}: {why}", cli.cluster))?;
    let Some(folder) = folder else {
        for line in plan::lines(&preflight, &env, suite) {
            say(line);
        }
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(why) = preflight.too_many(env.most_pods) {
        bail!("cluster {}: {why}", cli.cluster);
    }
    match preflight.cannot_sweep() {
        Some(why) => env.sandbox.refuse(why),
        None if preflight.makes() => {
            if let Some(why) = plan::holding(&env.unavailable) {
                note(format!("warning: cluster {}: {why}", cli.cluster));
            }
            // What others left does not stand in this run's way; it is told, and the next run looks again.
            let swept = runtime.block_on(sweep_expired(&env.personas.operator.client));
            if let Some(why) = swept.map_or_else(Some, |swept| swept.warning) {
                note(format!("warning: {why}"));
            }
        }
        None => {}
    }
    let facts = &env.facts;
    let pools = env.placement.hosts(None).len();
    say("");
    say(format!(
        "running {} scenarios of suite {suite} against {} ({}, {}), {} namespaces, {pools} node pools",
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
    let test = if ours {
        libtest_mimic::Arguments { logfile: Some(NOWHERE.into()), ..cli.test.clone() }
    } else {
        cli.test.clone()
    };
    let colors = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let terminal = Arc::new(Mutex::new(Terminal::new(colors)));
    let tell = {
        let terminal = terminal.clone();
        move |record: &Record| {
            if ours {
                // Held until it is printed: what refers to a line comes after it.
                let mut terminal = terminal.lock().unwrap_or_else(PoisonError::into_inner);
                show(terminal.lines(record));
            }
        }
    };
    let ran = catch_unwind(AssertUnwindSafe(|| harness::run::run(&test, entries, &env, runtime.handle(), suite, tell)));
    signals.stand_aside();
    // A cluster that ends with the run takes everything with it.
    let swept = if stays { runtime.block_on(env.sandbox.sweep()) } else { Ok(Swept::default()) };
    signals.stand_aside();
    signals.release();
    let Ok((run, conclusion)) = ran else {
        bail!(
            "the run crashed; {}",
            match swept {
                Ok(Swept { warning: Some(held), .. }) => format!("what it had made is taken away, but {held}"),
                Ok(_) => "what it had made is taken away".into(),
                Err(left) => left,
            }
        )
    };
    if run.scenarios.is_empty() {
        bail!("no scenario ran");
    }
    let written = folder.complete(&run)?;
    if ours {
        for path in written {
            say(format!("report: {}", path.display()));
        }
        let shared = terminal.lock().unwrap_or_else(PoisonError::into_inner).shared();
        let entries = [
            terminal::waivers(&run),
            terminal::acknowledgements(&run),
            terminal::allowances(&run),
            terminal::strangers(&run),
        ];
        for line in shared.into_iter().chain(entries.concat()) {
            say(line);
        }
        say("");
        closing::lines(&run).into_iter().for_each(say);
    }
    match closing::not_green(&run, acknowledged.0) {
        Some(line) if ours => say(line),
        // libtest's formats have a line of their own that says `ok`, and readers of their own.
        Some(line) => note(line),
        None => {}
    }
    match swept {
        Ok(Swept { warning: Some(held), .. }) => note(format!("warning: cluster {}: {held}", cli.cluster)),
        Ok(_) => {}
        Err(left) => {
            bail!("cluster {name}: {left}, or have `cargo xtask sweep --cluster {name}` do it", name = cli.cluster)
        }
    }
    Ok(exit_code(&conclusion, &run, acknowledged))
}

/// Failures first; then what is acknowledged, which is neither one nor a pass.
fn exit_code(conclusion: &Conclusion, run: &Run, acknowledged: AcknowledgedExitCode) -> ExitCode {
    if conclusion.has_failed() || run.totals().acknowledged == 0 {
        return conclusion.exit_code();
    }
    ExitCode::from(acknowledged.0)
}

const NOWHERE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };
