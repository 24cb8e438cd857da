//! What waivers and acknowledgements have in common: what they cover, why, who answers for it, and until when.
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Result, bail};
use k8s_openapi::jiff::civil::Date;
use serde::Deserialize;

use crate::glob;

/// An entry as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    scenario: String,
    #[serde(default)]
    cells: Vec<String>,
    cluster: Option<String>,
    pub(super) says: Option<String>,
    reason: Option<String>,
    owner: Option<String>,
    // A date of TOML's own is one, too.
    until: Option<toml::Value>,
}

/// An entry that somebody answers for.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) scenario: String,
    pub(super) cells: Vec<String>,
    pub(super) cluster: String,
    pub(super) reason: String,
    pub(super) owner: String,
    pub(super) until: Date,
    met: AtomicU8,
}

/// What an entry met in a run; bits, for one entry may cover many cells.
pub(super) mod met {
    /// What it is for.
    pub(in super::super) const ITS_CASE: u8 = 1;
    /// What needs nobody to answer for it.
    pub(in super::super) const NO_NEED: u8 = 2;
    /// What it is for, after its day.
    pub(in super::super) const TOO_LATE: u8 = 4;
    /// What it would be for, were the cause the one that it names.
    pub(in super::super) const OTHER_CAUSE: u8 = 8;
}

/// Who answers for a cell among those whose entries cover it.
pub(super) enum Answers<'a> {
    /// This one.
    Now(&'a Entry),
    /// Nobody any more; this one did.
    NoLonger(&'a Entry),
    /// Nobody.
    Nobody,
}

impl Entry {
    /// The entry, held against the catalogue's `ids`; `what` it is that needs a reason.
    ///
    /// # Errors
    /// What it lacks.
    pub(super) fn of(written: Written, ids: &[&str], what: &str) -> Result<Self> {
        let Written { scenario, cells, cluster, reason, owner, until, says: _ } = written;
        if !ids.iter().any(|id| glob::matches(&scenario, id)) {
            bail!("names {scenario:?}, which no scenario matches{}", glob::nearest(&scenario, ids.iter().copied()));
        }
        let reason = said(reason, "reason", &format!("say why {what} for now"))?;
        let owner = said(owner, "owner", "say who answers for it")?;
        let until = until.map(|until| match until {
            toml::Value::String(day) => day,
            toml::Value::Datetime(day) => day.to_string(),
            toml::Value::Integer(number) => number.to_string(),
            other => other.type_str().to_owned(),
        });
        let until = said(until, "until", "say on which day it ends, as 2027-01-31")?;
        let until =
            until.parse().map_err(|_| anyhow::anyhow!("ends on {until:?}, which is no day: write it as 2027-01-31"))?;
        let cluster = cluster.unwrap_or_else(|| "*".into());
        Ok(Self { scenario, cells, cluster, reason, owner, until, met: AtomicU8::new(0) })
    }

    pub(super) fn covers(&self, cluster: &str, scenario: &str, cell: &str) -> bool {
        let cell = self.cells.is_empty() || self.cells.iter().any(|pattern| glob::matches(pattern, cell));
        cell && glob::matches(&self.cluster, cluster) && glob::matches(&self.scenario, scenario)
    }

    pub(super) fn meets(&self, what: u8) {
        self.met.fetch_or(what, Ordering::Relaxed);
    }

    pub(super) fn met(&self, what: u8) -> bool {
        self.met.load(Ordering::Relaxed) & what != 0
    }
}

impl<'a> Answers<'a> {
    /// The first of those that cover the cell whose day is not over; those whose day is are needed no more where there is one.
    pub(super) fn of(covering: impl Iterator<Item = &'a Entry>, today: Date) -> Self {
        let (in_force, over): (Vec<_>, Vec<_>) = covering.partition(|entry| entry.until >= today);
        let late = if in_force.is_empty() { met::TOO_LATE } else { met::NO_NEED };
        over.iter().for_each(|entry| entry.meets(late));
        match (in_force.first(), over.first()) {
            (Some(entry), _) => {
                entry.meets(met::ITS_CASE);
                Self::Now(entry)
            }
            (None, Some(entry)) => Self::NoLonger(entry),
            (None, None) => Self::Nobody,
        }
    }
}

/// A value that says something.
///
/// # Errors
/// That it is not there, and `why` it must be.
pub(super) fn said(value: Option<String>, what: &str, why: &str) -> Result<String> {
    match value.filter(|value| !value.trim().is_empty()) {
        Some(value) => Ok(value),
        None => bail!("has no {what}: {why}"),
    }
}
