//! `suites/*.toml`: which scenarios run, and how far they may go.
use anyhow::{Result, bail};
use serde::Deserialize;

use crate::glob;
use crate::scenario::{Entry, Impact};
use crate::toml_file;

/// A suite as its file has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Suite {
    /// What it is for, in one sentence.
    pub purpose: String,
    /// Ids or globs of the scenarios that run.
    pub scenarios: Vec<String>,
    /// Ids or globs of those that do not, although `scenarios` names them.
    #[serde(default)]
    pub except: Vec<String>,
    /// The ceiling: scenarios that would do more to the cluster than this do not run.
    pub impact: Impact,
}

impl Suite {
    /// Reads a suite's file; every id and glob in it must match one of `entries`.
    ///
    /// # Errors
    /// The line, what is wrong with it, and the nearest name where one is near.
    pub fn parse(text: &str, entries: &[Entry]) -> Result<Self> {
        let suite: Self = toml_file::parse(text)?;
        if suite.scenarios.is_empty() {
            bail!("`scenarios` names none: a suite that runs nothing proves nothing");
        }
        for pattern in suite.scenarios.iter().chain(&suite.except) {
            if !entries.iter().any(|entry| glob::matches(pattern, &entry.id)) {
                let line = toml_file::line_of(text, text.find(&format!("\"{pattern}\"")).unwrap_or_default());
                bail!(
                    "line {line}: no scenario matches {pattern:?}{}",
                    glob::nearest(pattern, entries.iter().map(|entry| entry.id.as_str()))
                );
            }
        }
        Ok(suite)
    }

    /// The entries that this suite runs, in the catalogue's order.
    pub fn select(&self, entries: Vec<Entry>) -> Vec<Entry> {
        entries.into_iter().filter(|entry| self.runs(entry)).collect()
    }

    fn runs(&self, entry: &Entry) -> bool {
        let named = |patterns: &[String]| patterns.iter().any(|pattern| glob::matches(pattern, &entry.id));
        entry.scenario.impact <= self.impact && named(&self.scenarios) && !named(&self.except)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::sample::{OBSERVES, PROBES};
    use rstest::rstest;

    fn entries() -> Vec<Entry> {
        vec![
            Entry::new("images", "tag_refused", "", &OBSERVES),
            Entry::new("network", "isolated", "", &PROBES),
            Entry::new("network", "egress", "", &OBSERVES),
        ]
    }

    #[rstest]
    #[case::all("scenarios = [\"*\"]\nimpact = \"intrusive\"", &["images/tag-refused", "network/isolated", "network/egress"])]
    #[case::ceiling("scenarios = [\"*\"]\nimpact = \"dry-run\"", &["images/tag-refused", "network/egress"])]
    #[case::chapter("scenarios = [\"network/*\"]\nimpact = \"probe\"", &["network/isolated", "network/egress"])]
    #[case::except("scenarios = [\"*\"]\nexcept = [\"network/*\"]\nimpact = \"probe\"", &["images/tag-refused"])]
    fn a_suite_selects(#[case] text: &str, #[case] expected: &[&str]) {
        let suite = Suite::parse(&format!("purpose = \"p\"\n{text}"), &entries()).unwrap();
        let ids: Vec<String> = suite.select(entries()).into_iter().map(|entry| entry.id).collect();
        assert_eq!(ids, expected);
    }

    #[rstest]
    #[case::typo_in_id(
        "scenarios = [\n  \"images/tag-refuse\",\n]\nimpact = \"probe\"",
        "line 3: no scenario matches \"images/tag-refuse\"; did you mean \"images/tag-refused\"?"
    )]
    #[case::glob_that_matches_nothing(
        "scenarios = [\"nodes/*\"]\nimpact = \"probe\"",
        "line 2: no scenario matches \"nodes/*\""
    )]
    #[case::typo_in_except(
        "scenarios = [\"*\"]\nexcept = [\"network/isolate\"]\nimpact = \"probe\"",
        "line 3: no scenario matches \"network/isolate\"; did you mean \"network/isolated\"?"
    )]
    #[case::unknown_key(
        "scenarios = [\"*\"]\nimpct = \"probe\"",
        "line 3: unknown field `impct`, expected one of `purpose`, `scenarios`, `except`, `impact`"
    )]
    #[case::unknown_impact(
        "scenarios = [\"*\"]\nimpact = \"gentle\"",
        "line 3: unknown variant `gentle`, expected one of `observe`, `dry-run`, `probe`, `intrusive`"
    )]
    #[case::no_impact("scenarios = [\"*\"]", "line 1: missing field `impact`")]
    #[case::no_scenarios(
        "scenarios = []\nimpact = \"probe\"",
        "`scenarios` names none: a suite that runs nothing proves nothing"
    )]
    fn mistakes_are_named(#[case] text: &str, #[case] expected: &str) {
        let told = Suite::parse(&format!("purpose = \"p\"\n{text}"), &entries()).unwrap_err().to_string();
        assert_eq!(told, expected);
    }
}
