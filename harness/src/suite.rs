//! `suites/*.toml`: which scenarios run, how far they may go, on what part of the cluster, and what is good enough.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::glob;
use crate::record::forgiven::AllowanceRecord;
use crate::toml_file;
use crate::words::{Catalogued, Impact};

/// A suite as its file has it.
#[derive(Debug, Deserialize)]
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
    /// What part of the cluster is tried.
    #[serde(default)]
    pub scope: Part,
    /// What is good enough.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// How much of what cannot be tried whole.
    #[serde(default)]
    pub sample: Sample,
    /// By scenario, what may be found all the same.
    #[serde(default)]
    allow: BTreeMap<String, Vec<Allowance>>,
}

/// Part of a cluster, by globs; everything that conformance.toml leaves in scope where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Part {
    /// Namespaces.
    pub namespaces: Vec<String>,
    /// Namespaces that are left out, although `namespaces` names them.
    pub except: Vec<String>,
    /// Node pools.
    pub pools: Vec<String>,
}

impl Part {
    /// Whether this namespace is a part of it.
    pub fn has_namespace(&self, name: &str) -> bool {
        named(&self.namespaces, name) && !self.except.iter().any(|pattern| glob::matches(pattern, name))
    }

    /// Whether this node pool is a part of it.
    pub fn has_pool(&self, name: &str) -> bool {
        named(&self.pools, name)
    }
}

fn named(globs: &[String], name: &str) -> bool {
    globs.is_empty() || globs.iter().any(|pattern| glob::matches(pattern, name))
}

/// Where a number decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Thresholds {
    /// How long after a pod runs a path from it that must be closed may still be open, in milliseconds: enforcement takes a moment to
    /// reach a new pod. A path that is open later is a failure.
    pub enforcement_ms: u64,
    /// How long after its first instruction a pod may be let through to the metadata endpoint although a policy closes it, in milliseconds.
    /// The slowest pod decides.
    pub startup_window_ms: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { enforcement_ms: 5000, startup_window_ms: 5000 }
    }
}

impl Thresholds {
    pub(crate) fn enforcement(self) -> Duration {
        Duration::from_millis(self.enforcement_ms)
    }
}

/// Where a part must do for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sample {
    /// New pods whose first moments are measured, over all nodes.
    pub new_pods: usize,
    /// Nodes of each pool that probes are placed on: what guards a node need not be the same on all of them.
    pub nodes: usize,
}

impl Default for Sample {
    fn default() -> Self {
        Self { new_pods: 10, nodes: 1 }
    }
}

/// A glob over names of findings, and whether a run has met one.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
struct Allowance {
    name: String,
    met: AtomicBool,
}

impl From<String> for Allowance {
    fn from(name: String) -> Self {
        Self { name, met: AtomicBool::new(false) }
    }
}

/// What one scenario may find all the same.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a>(&'a Suite, &'a str);

impl Allowed<'_> {
    /// Whether `finding` is on the allow-list.
    pub(crate) fn names(&self, finding: &str) -> bool {
        let Self(suite, scenario) = self;
        let lists =
            suite.allow.iter().filter(|(pattern, _)| glob::matches(pattern, scenario)).flat_map(|(_, list)| list);
        let mut naming = lists.filter(|allowance| glob::matches(&allowance.name, finding));
        naming.next().is_some_and(|allowance| {
            allowance.met.store(true, Ordering::Relaxed);
            true
        })
    }
}

impl Suite {
    /// Reads a suite's file; every id and glob in it must match one of `entries`.
    ///
    /// # Errors
    /// The line, what is wrong with it, and the nearest name where one is near.
    pub fn parse(text: &str, entries: &[impl Catalogued]) -> Result<Self> {
        let suite: Self = toml_file::parse(text)?;
        if suite.scenarios.is_empty() {
            bail!("`scenarios` names none: a suite that runs nothing proves nothing");
        }
        for pattern in suite.scenarios.iter().chain(&suite.except).chain(suite.allow.keys()) {
            if !entries.iter().any(|entry| glob::matches(pattern, entry.id())) {
                let at = text.find(&format!("\"{pattern}\"")).or_else(|| text.find(pattern.as_str()));
                let line = toml_file::line_of(text, at.unwrap_or_default());
                bail!(
                    "line {line}: no scenario matches {pattern:?}{}",
                    glob::nearest(pattern, entries.iter().map(|entry| entry.id()))
                );
            }
        }
        Ok(suite)
    }

    /// Adds what one cluster allows beside the suite; every id and glob must match one of `entries`.
    ///
    /// # Errors
    /// Which does not, and the nearest id where one is near.
    pub fn allow_also(&mut self, allow: &BTreeMap<String, Vec<String>>, entries: &[impl Catalogued]) -> Result<()> {
        for (pattern, names) in allow {
            if !entries.iter().any(|entry| glob::matches(pattern, entry.id())) {
                let near = glob::nearest(pattern, entries.iter().map(|entry| entry.id()));
                bail!("its `allow` names {pattern:?}, which no scenario matches{near}");
            }
            self.allow.entry(pattern.clone()).or_default().extend(names.iter().cloned().map(Allowance::from));
        }
        Ok(())
    }

    /// What `scenario` may find all the same.
    pub fn allowed<'a>(&'a self, scenario: &'a str) -> Allowed<'a> {
        Allowed(self, scenario)
    }

    /// What became of each entry of the allow-lists of scenarios that `ran`.
    pub fn allowances(&self, ran: &[String]) -> Vec<AllowanceRecord> {
        let meant = |pattern: &str| ran.iter().any(|id| glob::matches(pattern, id));
        let entries = self.allow.iter().flat_map(|(scenario, list)| list.iter().map(move |entry| (scenario, entry)));
        entries
            .filter(|(scenario, _)| meant(scenario))
            .map(|(scenario, entry)| AllowanceRecord {
                scenario: scenario.clone(),
                name: entry.name.clone(),
                met: entry.met.load(Ordering::Relaxed),
            })
            .collect()
    }

    /// The entries that this suite runs, in the catalogue's order.
    pub fn select<Of: Catalogued>(&self, entries: Vec<Of>) -> Vec<Of> {
        entries.into_iter().filter(|entry| self.runs(entry)).collect()
    }

    fn runs(&self, entry: &impl Catalogued) -> bool {
        let named = |patterns: &[String]| patterns.iter().any(|pattern| glob::matches(pattern, entry.id()));
        entry.impact() <= self.impact && named(&self.scenarios) && !named(&self.except)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Entry;
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
        "line 3: unknown field `impct`, expected one of `purpose`, `scenarios`, `except`, `impact`, `scope`, `thresholds`, `sample`, `allow`"
    )]
    #[case::unknown_impact(
        "scenarios = [\"*\"]\nimpact = \"gentle\"",
        "line 3: unknown variant `gentle`, expected one of `observe`, `dry-run`, `probe`, `intrusive`"
    )]
    #[case::unknown_key_of_scope(
        "scenarios = [\"*\"]\nimpact = \"probe\"\n[scope]\nnamespace = []",
        "line 5: unknown field `namespace`, expected one of `namespaces`, `except`, `pools`"
    )]
    #[case::unknown_threshold(
        "scenarios = [\"*\"]\nimpact = \"probe\"\n[thresholds]\nenforcement = 1",
        "line 5: unknown field `enforcement`, expected `enforcement-ms` or `startup-window-ms`"
    )]
    #[case::threshold_below_zero(
        "scenarios = [\"*\"]\nimpact = \"probe\"\n[thresholds]\nenforcement-ms = -1",
        "line 5: invalid value: integer `-1`, expected u64"
    )]
    #[case::allow_list_of_no_scenario(
        "scenarios = [\"*\"]\nimpact = \"probe\"\n[allow]\n\"network/egres\" = [\"a\"]",
        "line 5: no scenario matches \"network/egres\"; did you mean \"network/egress\"?"
    )]
    #[case::allow_list_of_no_list(
        "scenarios = [\"*\"]\nimpact = \"probe\"\n[allow]\n\"network/egress\" = true",
        "line 5: invalid type: boolean `true`, expected a sequence"
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

    fn suite(text: &str) -> Suite {
        Suite::parse(&format!("purpose = \"p\"\nscenarios = [\"*\"]\nimpact = \"probe\"\n{text}"), &entries()).unwrap()
    }

    #[rstest]
    #[case::everything("", "tenant-a", true)]
    #[case::named("[scope]\nnamespaces = [\"tenant-*\"]", "tenant-a", true)]
    #[case::not_named("[scope]\nnamespaces = [\"tenant-*\"]", "default", false)]
    #[case::left_out("[scope]\nexcept = [\"tenant-*\"]", "tenant-a", false)]
    fn a_part_of_the_cluster(#[case] text: &str, #[case] namespace: &str, #[case] expected: bool) {
        assert_eq!(suite(text).scope.has_namespace(namespace), expected);
    }

    #[test]
    fn an_allow_list_is_one_scenarios_and_tells_what_it_never_met() {
        let suite = suite("[allow]\n\"network/egress\" = [\"service ops/*\", \"service old/*\"]");
        let names = |scenario: &str, finding: &str| suite.allowed(scenario).names(finding);
        assert!(names("network/egress", "service ops/a"));
        assert!(!names("network/egress", "service dev/a"));
        assert!(!names("network/isolated", "service ops/a"));
        let met: Vec<(String, bool)> =
            suite.allowances(&["network/egress".into()]).into_iter().map(|entry| (entry.name, entry.met)).collect();
        assert_eq!(met, [("service ops/*".into(), true), ("service old/*".into(), false)]);
    }

    #[test]
    fn a_cluster_allows_beside_the_suite() {
        let mut suite = suite("[allow]\n\"network/egress\" = [\"a\"]");
        suite.allow_also(&[("network/*".into(), vec!["b".into()])].into(), &entries()).unwrap();
        assert!(suite.allowed("network/egress").names("a") && suite.allowed("network/egress").names("b"));
        let told =
            suite.allow_also(&[("network/egres".into(), Vec::new())].into(), &entries()).unwrap_err().to_string();
        assert_eq!(
            told,
            "its `allow` names \"network/egres\", which no scenario matches; did you mean \"network/egress\"?"
        );
    }

    #[test]
    fn what_is_good_enough_where_nothing_is_said() {
        assert_eq!(suite("").thresholds.enforcement_ms, 5000);
        assert_eq!(suite("[thresholds]\nenforcement-ms = 1").thresholds.enforcement_ms, 1);
    }
}
