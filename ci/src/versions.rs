//! The suite's dry runs and reviews, held against real API servers of several versions of Kubernetes: hardened, and open.

mod crowd;
mod exempt;
mod expected;
mod opening;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, stream};
use harness::record::{Outcome, Run};

use crate::api_server::{ALL, ApiServer, Version};
use crate::range::Progress;
use crate::suite_program::asking;
use expected::Expected;

/// API servers that are up beside each other, at half a gigabyte each: most of their time goes by while something comes up or goes.
const AT_ONCE: usize = 4;
/// The version whose Pod Security is told to pass over something, and that is crowded: what that is told by is the same in all.
const WITH_MORE: &str = "1.34";
/// Everything that the API server alone decides is in it, and what it does not decide must say so.
const WHOLE: &str = "prod";
/// The dry runs and reviews alone.
const DRY_RUNS: &str = "quick";

/// `ci/versions/`: the modules of the versions, and what the suite must say.
fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("versions")
}

/// The versions of those names, the oldest first; all where none is named.
///
/// # Errors
/// When one is not known.
pub fn named(names: &[String]) -> Result<Vec<&'static Version>> {
    if let Some(unknown) = names.iter().find(|name| ALL.iter().all(|version| version.name != **name)) {
        let known = ALL.iter().map(|version| version.name).collect::<Vec<_>>().join(", ");
        bail!("`{unknown}` is no version that there is an API server of: name one of {known}, or none for all of them");
    }
    Ok(ALL.iter().filter(|version| names.is_empty() || names.iter().any(|name| name == version.name)).collect())
}

/// Brings an API server of each of `versions` up, and asks it hardened and open.
///
/// # Errors
/// Names the versions, and the scenarios that are not as they must be.
pub async fn prove(versions: &[&'static Version], progress: &Progress) -> Result<()> {
    let expected = Expected::read(&data_dir().join("expected.toml"))?;
    let program = tokio::task::spawn_blocking(crate::suite_program::built).await??;
    let asked = versions.iter().map(|version| {
        let (version, expected, program) = (*version, &expected, &program);
        async move { one(version, expected, program, progress).await.with_context(|| version.name) }
    });
    let asked: Vec<Result<()>> = stream::iter(asked.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
    let wrong: Vec<String> = asked.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    ensure!(wrong.is_empty(), "{} of {} versions: {}", wrong.len(), versions.len(), wrong.join("; "));
    Ok(())
}

async fn one(version: &'static Version, expected: &Expected, program: &Path, progress: &Progress) -> Result<()> {
    let name = format!("kubernetes-{}", version.name.replace('.', "-"));
    let server = ApiServer::up(version, &name, progress).await?;
    let asked = ask(&server, expected, program, progress).await;
    let gone = server.down().await;
    asked.and(gone)
}

async fn ask(server: &ApiServer, expected: &Expected, program: &Path, progress: &Progress) -> Result<()> {
    let (start, minor) = (Instant::now(), server.version.minor());
    let hardening = opening::harden(server).await?;
    let hardened = server.run(program, WHOLE, &[]).await?;
    as_expected("hardened", &expected.of_hardened(minor, &hardened))?;
    let denied = hardened.scenarios.iter().filter(|record| matches!(record.outcome, Outcome::Denied { .. }));
    let denied: BTreeSet<&str> = denied.map(|record| record.id.as_str()).collect();
    let exempt = match server.version.name {
        WITH_MORE => Some(with_exemptions(server, &hardened, program).await?),
        _ => None,
    };
    opening::open(server, &hardening).await?;
    let open = server.run(program, WHOLE, &asking(|id| denied.contains(id))).await?;
    ensure!(open.scenarios.len() == denied.len(), "open, not every scenario that was denied has run");
    as_expected("open", &expected.of_open(&open))?;
    if server.version.name == WITH_MORE {
        crowd::refused(server, program).await?;
    }
    let (name, seconds) = (server.version.name, start.elapsed().as_secs_f64());
    let exempt = exempt.map(|told| format!("; {told}")).unwrap_or_default();
    progress.line(&format!("{name}: hardened {}{exempt}; open {} ({seconds:.1} s)", told(&hardened), told(&open)));
    Ok(())
}

async fn with_exemptions(server: &ApiServer, hardened: &Run, program: &Path) -> Result<String> {
    exempt::exempt(server).await?;
    let run = server.run(program, DRY_RUNS, &[]).await?;
    as_expected("with exemptions", &exempt::judge(hardened, &run))?;
    server.restart(server.version.plug_ins).await?;
    let cells = run.scenarios.iter().flat_map(|record| &record.cells);
    let found = cells.filter(|cell| matches!(cell.outcome, Outcome::Allowed { .. })).count();
    Ok(format!("by its exemptions {found} cells allowed"))
}

fn as_expected(what: &str, wrong: &[String]) -> Result<()> {
    ensure!(wrong.is_empty(), "{what}, {}", wrong.join("; "));
    Ok(())
}

fn told(run: &Run) -> String {
    let totals = run.totals();
    let all = [
        (totals.passed, "denied"),
        (totals.failed, "allowed"),
        (totals.inconclusive, "inconclusive"),
        (totals.not_applicable, "not applicable"),
    ];
    all.iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::all(&[], &["1.24", "1.31", "1.34", "1.37"])]
    #[case::the_oldest_first(&["1.37", "1.24"], &["1.24", "1.37"])]
    fn which_versions(#[case] names: &[&str], #[case] expected: &[&str]) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let found: Vec<&str> = named(&names).unwrap().iter().map(|version| version.name).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_unknown_version_is_told_with_those_that_there_are() {
        let error = named(&["1.31".to_owned(), "1.30".to_owned()]).unwrap_err().to_string();
        let expected = "`1.30` is no version that there is an API server of: name one of 1.24, 1.31, 1.34, 1.37, or none for all of them";
        assert_eq!(error, expected);
    }
}
