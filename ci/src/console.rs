//! The command line's ends: one line for each step, one sentence for an error, an orderly way out on a signal.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use ci::progress::Stderr;
use ci::range::Progress;
use harness::printable;
use tokio::signal::unix::{SignalKind, signal};

/// Tells steps on standard error, each behind the seconds since now; standard output is for results.
pub(crate) fn progress() -> Progress {
    Arc::new(Stderr::stamped())
}

/// Runs a command to its end, or until a signal asks to stop; what it had begun is then dropped and so taken back.
pub(crate) fn run(command: impl Future<Output = Result<()>>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let result = runtime.block_on(async {
        tokio::select! {
            result = command => result,
            interrupted = interruption() => interrupted,
        }
    });
    // A build that still runs on a thread of its own must not hold the process up.
    runtime.shutdown_background();
    result.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {}", printable::line(&format!("{error:#}")));
    ExitCode::FAILURE
}

async fn interruption() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => bail!("interrupted; what was begun is taken back"),
        _ = terminate.recv() => bail!("told to end; what was begun is taken back"),
        _ = hangup.recv() => bail!("the terminal is gone; what was begun is taken back"),
    }
}
