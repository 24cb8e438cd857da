//! `waivers.toml`: what is allowed for now, why, by whom and until when.
//!
//! A waiver forgives what was *allowed*, cell by cell. It does not forgive what is inconclusive: nobody can answer for what nobody
//! knows. Nothing is skipped for a waiver's sake: a waived scenario runs, and if it passes the waiver can go.
use anyhow::{Result, bail};
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::tz::TimeZone;
use serde::Deserialize;
use std::sync::atomic::{AtomicU8, Ordering};
use toml::Spanned;

use crate::glob;
use crate::record::forgiven::{WaiverRecord, WaiverState};
use crate::record::outcome::Outcome;
use crate::toml_file;

/// One entry of the file.
#[derive(Debug)]
pub struct Waiver {
    scenario: String,
    cells: Vec<String>,
    cluster: String,
    reason: String,
    owner: String,
    until: Date,
    seen: AtomicU8,
}

/// What the waiver met in this run; bits, for one waiver may cover many cells.
const FORGAVE: u8 = 1;
const WAS_NOT_NEEDED: u8 = 2;
const HAD_EXPIRED: u8 = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    waiver: Vec<Spanned<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    scenario: String,
    #[serde(default)]
    cells: Vec<String>,
    cluster: Option<String>,
    reason: Option<String>,
    owner: Option<String>,
    until: Option<String>,
}

/// The waivers of a run.
#[derive(Debug, Default)]
pub struct Waivers {
    all: Vec<Waiver>,
    today: Date,
}

/// The moment that decides what has expired.
pub fn now() -> Timestamp {
    Timestamp::now()
}

impl Waivers {
    /// Reads a waivers file; each entry must match one of the catalogue's `ids`. `now` decides what has expired.
    ///
    /// # Errors
    /// The line of the entry and what it lacks.
    pub fn parse(text: &str, ids: &[&str], now: Timestamp) -> Result<Self> {
        let file: File = toml_file::parse(text)?;
        let all = file.waiver.into_iter().map(|written| {
            let line = toml_file::line_of(text, written.span().start);
            Waiver::of(written.into_inner(), ids).map_err(|why| why.context(format!("the waiver of line {line}")))
        });
        let all = all.collect::<Result<_>>();
        // One sentence, not a chain.
        Ok(Self { all: all.map_err(|why| anyhow::anyhow!("{why:#}"))?, today: now.to_zoned(TimeZone::UTC).date() })
    }

    /// What `outcome` becomes for `cell` of `scenario` on `cluster`, and whether an expired waiver would have covered it.
    pub(crate) fn apply(&self, cluster: &str, scenario: &str, cell: &str, outcome: Outcome) -> Outcome {
        let covering = self.all.iter().filter(|waiver| waiver.covers(cluster, scenario, cell));
        let Outcome::Allowed { evidence } = outcome else {
            if matches!(outcome, Outcome::Denied { .. }) {
                covering.for_each(|waiver| waiver.saw(WAS_NOT_NEEDED));
            }
            return outcome;
        };
        let mut expired = None;
        for waiver in covering {
            if waiver.until >= self.today {
                waiver.saw(FORGAVE);
                let (reason, owner, until) = (waiver.reason.clone(), waiver.owner.clone(), waiver.until.to_string());
                return Outcome::Waived { evidence, reason, owner, until };
            }
            waiver.saw(HAD_EXPIRED);
            expired.get_or_insert(waiver);
        }
        let evidence = match expired {
            Some(waiver) => {
                format!("{evidence} (its waiver expired on {}; {} answers for it)", waiver.until, waiver.owner)
            }
            None => evidence,
        };
        Outcome::Allowed { evidence }
    }

    /// What became of each waiver, in the file's order.
    pub fn records(&self, cluster: &str) -> Vec<WaiverRecord> {
        let meant = self.all.iter().filter(|waiver| glob::matches(&waiver.cluster, cluster));
        meant.map(Waiver::record).collect()
    }
}

impl Waiver {
    fn of(written: Written, ids: &[&str]) -> Result<Self> {
        let Written { scenario, cells, cluster, reason, owner, until } = written;
        let said = |value: Option<String>, what: &str, why: &str| match value.filter(|value| !value.trim().is_empty()) {
            Some(value) => Ok(value),
            None => Err(anyhow::anyhow!("has no {what}: {why}")),
        };
        if !ids.iter().any(|id| glob::matches(&scenario, id)) {
            bail!("names {scenario:?}, which no scenario matches{}", glob::nearest(&scenario, ids.iter().copied()));
        }
        let reason = said(reason, "reason", "say why this is allowed for now")?;
        let owner = said(owner, "owner", "say who answers for it")?;
        let until = said(until, "until", "say on which day it ends, as 2027-01-31")?;
        let until =
            until.parse().map_err(|_| anyhow::anyhow!("ends on {until:?}, which is no day: write it as 2027-01-31"))?;
        let cluster = cluster.unwrap_or_else(|| "*".into());
        Ok(Self { scenario, cells, cluster, reason, owner, until, seen: AtomicU8::new(0) })
    }

    fn covers(&self, cluster: &str, scenario: &str, cell: &str) -> bool {
        let cell = self.cells.is_empty() || self.cells.iter().any(|pattern| glob::matches(pattern, cell));
        cell && glob::matches(&self.cluster, cluster) && glob::matches(&self.scenario, scenario)
    }

    fn saw(&self, what: u8) {
        self.seen.fetch_or(what, Ordering::Relaxed);
    }

    fn record(&self) -> WaiverRecord {
        let seen = self.seen.load(Ordering::Relaxed);
        let state = match seen {
            seen if seen & HAD_EXPIRED != 0 => WaiverState::Expired,
            seen if seen & FORGAVE != 0 => WaiverState::Used,
            seen if seen & WAS_NOT_NEEDED != 0 => WaiverState::CanGo,
            _ => WaiverState::Unused,
        };
        WaiverRecord {
            scenario: self.scenario.clone(),
            cells: self.cells.clone(),
            reason: self.reason.clone(),
            owner: self.owner.clone(),
            until: self.until.to_string(),
            state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Guard;
    use rstest::rstest;

    const IDS: [&str; 2] = ["images/tag-refused", "network/namespaces-isolated"];

    fn now() -> Timestamp {
        "2026-06-15T12:00:00Z".parse().unwrap()
    }

    fn waivers(cells: &str, cluster: &str, until: &str) -> Waivers {
        let text = format!(
            "[[waiver]]\nscenario = \"images/*\"\n{cells}\n{cluster}\nreason = \"r\"\nowner = \"o\"\nuntil = \"{until}\"\n"
        );
        Waivers::parse(&text, &IDS, now()).unwrap()
    }

    fn allowed() -> Outcome {
        Outcome::Allowed { evidence: "e".into() }
    }

    #[rstest]
    #[case::covered("", "", "2026-06-15", "waived", WaiverState::Used)]
    #[case::this_cell("cells = [\"tenant-*\"]", "", "2026-06-16", "waived", WaiverState::Used)]
    #[case::another_cell("cells = [\"other\"]", "", "2026-06-16", "allowed", WaiverState::Unused)]
    #[case::this_cluster("", "cluster = \"prod\"", "2026-06-16", "waived", WaiverState::Used)]
    #[case::expired_yesterday("", "", "2026-06-14", "allowed", WaiverState::Expired)]
    fn what_was_allowed_is_forgiven_where_the_waiver_says(
        #[case] cells: &str,
        #[case] cluster: &str,
        #[case] until: &str,
        #[case] expected: &str,
        #[case] state: WaiverState,
    ) {
        let waivers = waivers(cells, cluster, until);
        let outcome = waivers.apply("prod", "images/tag-refused", "tenant-a", allowed());
        assert_eq!(serde_json::to_value(outcome).unwrap()["outcome"], expected);
        assert_eq!(waivers.records("prod")[0].state, state);
    }

    #[test]
    fn another_clusters_waiver_is_no_matter_here() {
        let waivers = waivers("", "cluster = \"dev\"", "2026-06-16");
        assert_eq!(waivers.apply("prod", "images/tag-refused", "a", allowed()), allowed());
        assert_eq!(waivers.records("prod"), []);
    }

    #[test]
    fn an_expired_waiver_is_named_in_the_failure_it_no_longer_covers() {
        let outcome = waivers("", "", "2026-06-14").apply("prod", "images/tag-refused", "a", allowed());
        assert_eq!(
            outcome,
            Outcome::Allowed { evidence: "e (its waiver expired on 2026-06-14; o answers for it)".into() }
        );
    }

    #[test]
    fn a_waiver_whose_scenario_passes_can_go() {
        let waivers = waivers("", "", "2026-06-16");
        let denied = Outcome::Denied { guard: Guard::Rbac, evidence: "e".into(), control: "c".into() };
        assert_eq!(waivers.apply("prod", "images/tag-refused", "a", denied.clone()), denied);
        assert_eq!(waivers.records("prod")[0].state, WaiverState::CanGo);
    }

    #[test]
    fn what_is_inconclusive_is_never_forgiven() {
        let waivers = waivers("", "", "2026-06-16");
        let inconclusive = Outcome::Inconclusive { why: "w".into() };
        assert_eq!(waivers.apply("prod", "images/tag-refused", "a", inconclusive.clone()), inconclusive);
        assert_eq!(waivers.records("prod")[0].state, WaiverState::Unused);
    }

    #[rstest]
    #[case::no_reason(
        "scenario = \"images/*\"\nowner = \"o\"\nuntil = \"2027-01-01\"",
        "the waiver of line 1: has no reason: say why this is allowed for now"
    )]
    #[case::blank_owner(
        "scenario = \"images/*\"\nreason = \"r\"\nowner = \" \"\nuntil = \"2027-01-01\"",
        "the waiver of line 1: has no owner: say who answers for it"
    )]
    #[case::no_date(
        "scenario = \"images/*\"\nreason = \"r\"\nowner = \"o\"",
        "the waiver of line 1: has no until: say on which day it ends, as 2027-01-31"
    )]
    #[case::bad_date(
        "scenario = \"images/*\"\nreason = \"r\"\nowner = \"o\"\nuntil = \"soon\"",
        "the waiver of line 1: ends on \"soon\", which is no day: write it as 2027-01-31"
    )]
    #[case::typo_in_id(
        "scenario = \"image/tag-refused\"\nreason = \"r\"\nowner = \"o\"\nuntil = \"2027-01-01\"",
        "the waiver of line 1: names \"image/tag-refused\", which no scenario matches; did you mean \"images/tag-refused\"?"
    )]
    #[case::unknown_key(
        "scenario = \"images/*\"\nwhy = \"r\"",
        "line 3: unknown field `why`, expected one of `scenario`, `cells`, `cluster`, `reason`, `owner`, `until`"
    )]
    fn mistakes_are_named(#[case] entry: &str, #[case] expected: &str) {
        let told = Waivers::parse(&format!("[[waiver]]\n{entry}\n"), &IDS, now()).unwrap_err().to_string();
        assert_eq!(told, expected);
    }
}
