//! `waivers.toml`: what is allowed for now, or cannot be proved for now, why, by whom and until when.
//!
//! A waiver forgives what was *allowed*, cell by cell. It does not forgive what is inconclusive: nobody can answer for what nobody
//! knows. That nothing can be known, for a cause outside the suite, is what an acknowledgement says: it names the cause, so that another
//! one is not acknowledged along with it, and it turns nothing green. Nothing is skipped for the sake of either: the scenario runs, and if
//! it passes the entry can go.
mod cause;
mod entry;

use anyhow::{Result, bail};
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;

use crate::glob;
use crate::record::forgiven::{AcknowledgementRecord, AcknowledgementState, WaiverRecord, WaiverState};
use crate::record::outcome::{Acknowledged, Outcome};
use crate::toml_file;
use cause::Cause;
use entry::{Answers, Entry, Written, met, said};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    waiver: Vec<Spanned<Written>>,
    #[serde(default)]
    acknowledged: Vec<Spanned<Written>>,
}

/// The waivers and the acknowledgements of a run.
#[derive(Debug, Default)]
pub struct Waivers {
    waivers: Vec<Entry>,
    acknowledgements: Vec<(Entry, Cause)>,
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
        let File { waiver, acknowledged } = toml_file::parse(text)?;
        Ok(Self {
            waivers: each(text, "waiver", waiver, |written| of_waiver(written, ids))?,
            acknowledgements: each(text, "acknowledgement", acknowledged, |written| of_acknowledged(written, ids))?,
            today: now.to_zoned(TimeZone::UTC).date(),
        })
    }

    /// What `outcome` becomes for `cell` of `scenario` on `cluster`, and whether an entry that has expired would have covered it.
    pub(crate) fn apply(&self, cluster: &str, scenario: &str, cell: &str, outcome: Outcome) -> Outcome {
        let waivers = self.waivers.iter().filter(|entry| entry.covers(cluster, scenario, cell));
        let acknowledgements = self.acknowledgements.iter().filter(|(entry, _)| entry.covers(cluster, scenario, cell));
        // A waiver has nothing to forgive where it is denied, and an acknowledgement where it is known.
        if matches!(outcome, Outcome::Denied { .. }) {
            waivers.clone().for_each(|entry| entry.meets(met::NO_NEED));
        }
        if matches!(outcome, Outcome::Denied { .. } | Outcome::Allowed { .. }) {
            acknowledgements.clone().for_each(|(entry, _)| entry.meets(met::NO_NEED));
        }
        match outcome {
            Outcome::Allowed { evidence } => match Answers::of(waivers, self.today) {
                Answers::Now(Entry { reason, owner, until, .. }) => {
                    Outcome::Waived { evidence, reason: reason.clone(), owner: owner.clone(), until: until.to_string() }
                }
                Answers::NoLonger(Entry { owner, until, .. }) => Outcome::Allowed {
                    evidence: format!("{evidence} (its waiver expired on {until}; {owner} answers for it)"),
                },
                Answers::Nobody => Outcome::Allowed { evidence },
            },
            Outcome::Inconclusive { why, .. } => {
                let (its_own, others): (Vec<_>, Vec<_>) = acknowledgements.partition(|(_, cause)| cause.is(&why));
                others.into_iter().for_each(|(entry, _)| entry.meets(met::OTHER_CAUSE));
                match Answers::of(its_own.into_iter().map(|(entry, _)| entry), self.today) {
                    Answers::Now(Entry { reason, owner, until, .. }) => Outcome::Inconclusive {
                        why,
                        acknowledged: Some(Acknowledged {
                            reason: reason.clone(),
                            owner: owner.clone(),
                            until: until.to_string(),
                        }),
                    },
                    Answers::NoLonger(Entry { owner, until, .. }) => Outcome::inconclusive(format!(
                        "{why} (its acknowledgement expired on {until}; {owner} answers for it)"
                    )),
                    Answers::Nobody => Outcome::inconclusive(why),
                }
            }
            other => other,
        }
    }

    /// What became of each waiver, in the file's order.
    pub fn records(&self, cluster: &str) -> Vec<WaiverRecord> {
        let meant = self.waivers.iter().filter(|entry| glob::matches(&entry.cluster, cluster));
        let record = |entry: &Entry| WaiverRecord {
            scenario: entry.scenario.clone(),
            cells: entry.cells.clone(),
            reason: entry.reason.clone(),
            owner: entry.owner.clone(),
            until: entry.until.to_string(),
            state: match entry {
                _ if entry.met(met::TOO_LATE) => WaiverState::Expired,
                _ if entry.met(met::ITS_CASE) => WaiverState::Used,
                _ if entry.met(met::NO_NEED) => WaiverState::CanGo,
                _ => WaiverState::Unused,
            },
        };
        meant.map(record).collect()
    }

    /// What became of each acknowledgement, in the file's order.
    pub fn acknowledgements(&self, cluster: &str) -> Vec<AcknowledgementRecord> {
        let meant = self.acknowledgements.iter().filter(|(entry, _)| glob::matches(&entry.cluster, cluster));
        let record = |(entry, cause): &(Entry, Cause)| AcknowledgementRecord {
            scenario: entry.scenario.clone(),
            cells: entry.cells.clone(),
            says: cause.says.clone(),
            reason: entry.reason.clone(),
            owner: entry.owner.clone(),
            until: entry.until.to_string(),
            state: match entry {
                _ if entry.met(met::TOO_LATE) => AcknowledgementState::Expired,
                _ if entry.met(met::ITS_CASE) => AcknowledgementState::Used,
                _ if entry.met(met::OTHER_CAUSE) => AcknowledgementState::OtherCause,
                _ if entry.met(met::NO_NEED) => AcknowledgementState::CanGo,
                _ => AcknowledgementState::Unused,
            },
        };
        meant.map(record).collect()
    }
}

fn each<T>(text: &str, what: &str, all: Vec<Spanned<Written>>, of: impl Fn(Written) -> Result<T>) -> Result<Vec<T>> {
    let read = all.into_iter().map(|written| {
        let line = toml_file::line_of(text, written.span().start);
        // One sentence, not a chain.
        of(written.into_inner()).map_err(|why| anyhow::anyhow!("the {what} of line {line}: {why:#}"))
    });
    read.collect()
}

fn of_waiver(written: Written, ids: &[&str]) -> Result<Entry> {
    if written.says.is_some() {
        bail!(
            "has `says`: a waiver forgives whatever is allowed, and what is inconclusive belongs into [[acknowledged]]"
        );
    }
    Entry::of(written, ids, "this is allowed")
}

fn of_acknowledged(mut written: Written, ids: &[&str]) -> Result<(Entry, Cause)> {
    let says = written.says.take();
    let entry = Entry::of(written, ids, "nothing can be proved there")?;
    let says = said(says, "says", "quote the cause that is meant, or any other would be acknowledged along with it")?;
    Ok((entry, Cause::of(says)?))
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
        let inconclusive = Outcome::inconclusive("w");
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
        "line 3: unknown field `why`, expected one of `scenario`, `cells`, `cluster`, `says`, `reason`, `owner`, `until`"
    )]
    #[case::a_number_for_a_day(
        "scenario = \"images/*\"\nreason = \"r\"\nowner = \"o\"\nuntil = 2027",
        "the waiver of line 1: ends on \"2027\", which is no day: write it as 2027-01-31"
    )]
    #[case::a_day_that_is_not_in_the_calendar(
        "scenario = \"images/*\"\nreason = \"r\"\nowner = \"o\"\nuntil = \"2027-02-29\"",
        "the waiver of line 1: ends on \"2027-02-29\", which is no day: write it as 2027-01-31"
    )]
    #[case::what_is_inconclusive(
        "scenario = \"images/*\"\nsays = \"no control\"\nreason = \"r\"\nowner = \"o\"\nuntil = \"2027-01-01\"",
        "the waiver of line 1: has `says`: a waiver forgives whatever is allowed, and what is inconclusive belongs into [[acknowledged]]"
    )]
    fn mistakes_are_named(#[case] entry: &str, #[case] expected: &str) {
        let told = Waivers::parse(&format!("[[waiver]]\n{entry}\n"), &IDS, now()).unwrap_err().to_string();
        assert_eq!(told, expected);
    }

    const WHY: &str = "no control: the node's own 169.254.169.254 does not answer";

    fn acknowledged(lines: &str) -> Waivers {
        let text = format!(
            "[[acknowledged]]\nscenario = \"images/*\"\nsays = \"no control: the node\"\nreason = \"r\"\nowner = \"o\"\n{lines}\n"
        );
        Waivers::parse(&text, &IDS, now()).unwrap()
    }

    /// The outcome's word, and what it says.
    fn told(outcome: &Outcome) -> (&str, &str) {
        match outcome {
            Outcome::Inconclusive { why, acknowledged: Some(by) } => {
                assert_eq!([&*by.reason, &*by.owner], ["r", "o"]);
                ("acknowledged", why)
            }
            Outcome::Inconclusive { why, .. } => ("inconclusive", why),
            Outcome::Allowed { evidence } => ("allowed", evidence),
            Outcome::Denied { evidence, .. } => ("denied", evidence),
            Outcome::NotApplicable { why } => ("not applicable", why),
            Outcome::Waived { evidence, .. } => ("waived", evidence),
        }
    }

    use AcknowledgementState::{CanGo, Expired, OtherCause, Unused, Used};

    #[rstest]
    #[case::covered("until = \"2026-06-15\"", "acknowledged", Used)]
    #[case::a_date_of_toml_s_own("until = 2026-06-15", "acknowledged", Used)]
    #[case::this_cell("until = \"2026-06-15\"\ncells = [\"tenant-*\"]", "acknowledged", Used)]
    #[case::another_cell("until = \"2026-06-15\"\ncells = [\"other\"]", "inconclusive", Unused)]
    #[case::this_cluster("until = \"2026-06-15\"\ncluster = \"pr*\"", "acknowledged", Used)]
    #[case::expired_yesterday("until = \"2026-06-14\"", "inconclusive", Expired)]
    fn what_is_inconclusive_for_its_cause_is_acknowledged_where_it_says(
        #[case] lines: &str,
        #[case] expected: &str,
        #[case] state: AcknowledgementState,
    ) {
        let waivers = acknowledged(lines);
        let outcome = waivers.apply("prod", "images/tag-refused", "tenant-a", Outcome::inconclusive(WHY));
        assert_eq!(told(&outcome).0, expected);
        assert_eq!(waivers.acknowledgements("prod")[0].state, state);
    }

    #[rstest]
    #[case::another_cause(Outcome::inconclusive("no control: nobody listens"), OtherCause)]
    #[case::allowed(Outcome::Allowed { evidence: WHY.into() }, CanGo)]
    #[case::denied(Outcome::Denied { guard: Guard::Rbac, evidence: WHY.into(), control: WHY.into() }, CanGo)]
    #[case::not_applicable(Outcome::NotApplicable { why: WHY.into() }, Unused)]
    fn nothing_else_is_acknowledged(#[case] outcome: Outcome, #[case] state: AcknowledgementState) {
        for until in ["2026-06-15", "2026-06-14"] {
            let waivers = acknowledged(&format!("until = {until}"));
            assert_eq!(waivers.apply("prod", "images/tag-refused", "a", outcome.clone()), outcome);
            assert_eq!(waivers.acknowledgements("prod")[0].state, state);
        }
    }

    #[test]
    fn one_cell_with_its_cause_is_enough_and_the_others_stay_inconclusive() {
        let waivers = acknowledged("until = 2026-06-15");
        let words = [WHY, "no probe came up"].map(|why| {
            let outcome = waivers.apply("prod", "images/tag-refused", "a", Outcome::inconclusive(why));
            told(&outcome).0.to_owned()
        });
        assert_eq!(words, ["acknowledged", "inconclusive"]);
        assert_eq!(waivers.acknowledgements("prod")[0].state, Used);
    }

    #[test]
    fn an_expired_acknowledgement_is_named_in_the_cause_it_no_longer_covers() {
        let waivers = acknowledged("until = 2026-06-14");
        let outcome = waivers.apply("prod", "images/tag-refused", "a", Outcome::inconclusive(WHY));
        let expected = format!("{WHY} (its acknowledgement expired on 2026-06-14; o answers for it)");
        assert_eq!(outcome, Outcome::inconclusive(expected));
    }

    #[test]
    fn another_clusters_acknowledgement_is_no_matter_here() {
        let waivers = acknowledged("until = 2026-06-15\ncluster = \"dev\"");
        let outcome = waivers.apply("prod", "images/tag-refused", "a", Outcome::inconclusive(WHY));
        assert_eq!(outcome, Outcome::inconclusive(WHY));
        assert_eq!(waivers.acknowledgements("prod"), []);
    }

    #[rstest]
    #[case::renewed_below("2026-06-14", "2026-06-15", [CanGo, Used])]
    #[case::renewed_above("2026-06-15", "2026-06-14", [Used, CanGo])]
    #[case::the_first_is_enough("2026-06-15", "2026-06-16", [Used, Unused])]
    #[case::both_are_over("2026-06-13", "2026-06-14", [Expired, Expired])]
    fn one_that_was_renewed_has_not_expired_for_anybody(
        #[case] first: &str,
        #[case] second: &str,
        #[case] expected: [AcknowledgementState; 2],
    ) {
        let both = |kind: &str, says: &str| {
            let entry = |until| {
                format!("[[{kind}]]\nscenario = \"images/*\"\n{says}\nreason = \"r\"\nowner = \"o\"\nuntil = {until}\n")
            };
            Waivers::parse(&(entry(first) + &entry(second)), &IDS, now()).unwrap()
        };
        let word = |state| serde_json::to_value::<AcknowledgementState>(state).unwrap();
        let waivers = both("waiver", "");
        waivers.apply("prod", "images/tag-refused", "a", allowed());
        let states = waivers.records("prod").into_iter().map(|record| serde_json::to_value(record.state).unwrap());
        assert_eq!(states.collect::<Vec<_>>(), expected.map(word));
        let acknowledgements = both("acknowledged", "says = \"no control\"");
        acknowledgements.apply("prod", "images/tag-refused", "a", Outcome::inconclusive(WHY));
        let states = acknowledgements.acknowledgements("prod").into_iter().map(|record| record.state);
        assert_eq!(states.collect::<Vec<_>>(), expected);
    }

    #[rstest]
    #[case::no_cause(
        "scenario = \"images/*\"\nreason = \"r\"\nowner = \"o\"\nuntil = \"2027-01-01\"",
        "the acknowledgement of line 1: has no says: quote the cause that is meant, or any other would be acknowledged along with it"
    )]
    #[case::a_blank_cause(
        "scenario = \"images/*\"\nsays = \" \"\nreason = \"r\"\nowner = \"o\"\nuntil = \"2027-01-01\"",
        "the acknowledgement of line 1: has no says: quote the cause that is meant, or any other would be acknowledged along with it"
    )]
    #[case::any_cause(
        "scenario = \"images/*\"\nsays = \"*\"\nreason = \"r\"\nowner = \"o\"\nuntil = \"2027-01-01\"",
        "the acknowledgement of line 1: says \"*\", which other causes may say as well: quote at least 8 characters of the one that is meant"
    )]
    #[case::blank_reason(
        "scenario = \"images/*\"\nreason = \"\"",
        "the acknowledgement of line 1: has no reason: say why nothing can be proved there for now"
    )]
    #[case::typo_in_id(
        "scenario = \"image/tag-refused\"",
        "the acknowledgement of line 1: names \"image/tag-refused\", which no scenario matches; did you mean \"images/tag-refused\"?"
    )]
    fn mistakes_in_acknowledgements_are_named(#[case] entry: &str, #[case] expected: &str) {
        let told = Waivers::parse(&format!("[[acknowledged]]\n{entry}\n"), &IDS, now()).unwrap_err().to_string();
        assert_eq!(told, expected);
    }

    #[test]
    fn an_entry_of_no_kind_is_told_with_its_line() {
        let told = Waivers::parse("[[acknowledge]]\nscenario = \"images/*\"\n", &IDS, now()).unwrap_err().to_string();
        assert_eq!(told, "line 1: unknown field `acknowledge`, expected `waiver` or `acknowledged`");
    }
}
