//! Which scenarios run: `--suite`, and what `waivers.toml` forgives and acknowledges.
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use harness::scenario::Entry;
use harness::suite::Suite;
use harness::waiver::Waivers;

use crate::cli::{Cli, Cluster};
use crate::whereabouts;

/// The suites that come with this program.
const BUILT_IN: [(&str, &str); 3] =
    [("oke", include_str!("oke.toml")), ("prod", include_str!("prod.toml")), ("quick", include_str!("quick.toml"))];

/// Looked for where the user stands and above, as conformance.toml is.
const WAIVERS: &str = "waivers.toml";

/// The suite that `cli`, or `settled` by conformance.toml, names, by name and as read; on a cluster of its own everything runs, and
/// on anybody else's what is harmless there.
///
/// # Errors
/// One sentence: which suite, which line of it, what is wrong.
pub fn suite(cli: &Cli, settled: Option<&str>, entries: &[Entry]) -> Result<(String, Suite)> {
    let default = if matches!(cli.cluster(), Cluster::Named(_)) { "prod" } else { "oke" };
    let name = cli.suite.as_deref().or(settled).unwrap_or(default);
    if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
        return Ok((name.into(), Suite::parse(text, entries)?));
    }
    let path = whereabouts::here().join(name);
    let called = self::name(name);
    if !path.is_file() {
        let known = BUILT_IN.map(|(name, _)| name);
        let hint = harness::glob::nearest(name, known);
        bail!("unknown suite {name:?}: it is none of {} and no file{hint}", known.join(", "));
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("suite {} cannot be read", path.display()))?;
    let suite = Suite::parse(&text, entries).with_context(|| format!("suite {} cannot be used", path.display()))?;
    Ok((called, suite))
}

/// What reports call the suite of that name. A file below where the user stands is called by its way from there: other nights, or other
/// machines, may have the whole in another place, and what a report's reader compares stays the same.
pub fn name(said: &str) -> String {
    let here = whereabouts::here();
    here.join(said).strip_prefix(&here).map_or_else(|_| said.to_owned(), |below| below.display().to_string())
}

/// What the nearest waivers file, or the one that `cli` names, forgives.
///
/// # Errors
/// One sentence: which file, which line of it, what is wrong.
pub fn waivers(cli: &Cli, entries: &[Entry]) -> Result<Waivers> {
    let here = whereabouts::here();
    let named = cli.waivers.as_ref().map(|path| here.join(path));
    let nearest = || here.ancestors().map(|folder| folder.join(WAIVERS)).find(|path| path.is_file());
    let Some(path) = named.or_else(nearest) else { return Ok(Waivers::default()) };
    read(&path, entries).map_err(|error| anyhow!("waivers file {} cannot be used: {error:#}", path.display()))
}

fn read(path: &Path, entries: &[Entry]) -> Result<Waivers> {
    let text = std::fs::read_to_string(path)?;
    let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    Waivers::parse(&text, &ids, harness::waiver::now())
}
