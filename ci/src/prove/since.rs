//! What of the proof a change can touch, by the files that it is in.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::Subject;
use crate::check::workspace;
use crate::range::Sabotage;
use crate::suite_program::CROWDED;

/// What a change since `revision`, committed or not, can touch; `None` where that is nothing. `tell` hears of how it was found.
///
/// # Errors
/// When git knows no such revision.
pub fn since(revision: &str, tell: &dyn Fn(&str)) -> Result<Option<Subject>> {
    let files = changed(&workspace(), revision)?;
    let catalogue = Catalogue::read()?;
    let touched = Touched::by(&files, &catalogue);
    for line in &touched.told {
        tell(line);
    }
    if touched.is_nothing() {
        tell(&format!(
            "nothing to prove on a range: {} changed files, and no scenario or sabotage depends on them",
            files.len()
        ));
        return Ok(None);
    }
    let subject = touched.subject(&catalogue);
    let asked = subject.scenarios.as_ref().map_or("the whole suite".to_owned(), super::listed);
    tell(&format!("asked: {asked}"));
    Ok(Some(subject))
}

/// The files that git has changes of, and new ones.
fn changed(root: &Path, revision: &str) -> Result<Vec<String>> {
    let git = |words: &[&str]| -> Result<Option<String>> {
        let done = Command::new("git").arg("-C").arg(root).args(words).output().context("git cannot be started")?;
        Ok(done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned()))
    };
    let commit = git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")])?;
    let commit = commit.with_context(|| {
        format!("--since {revision}: git knows no such commit; a branch, a tag or a hash says since when, as `main` or `HEAD~3`")
    })?;
    let changed =
        git(&["diff", "--name-only", "--relative", commit.trim()])?.context("git cannot compare the files")?;
    let new = git(&["ls-files", "--others", "--exclude-standard"])?.context("git cannot list the new files")?;
    Ok(changed.lines().chain(new.lines()).map(str::to_owned).collect())
}

/// What there is to be touched.
struct Catalogue {
    scenarios: Vec<Source>,
    sabotages: Vec<Sabotage>,
}

struct Source {
    id: String,
    /// With what its chapter's files share with it.
    text: String,
}

impl Catalogue {
    fn read() -> Result<Self> {
        let chapters = workspace().join("scenarios/src");
        let text = |file: &str| std::fs::read_to_string(chapters.join(format!("{file}.rs"))).unwrap_or_default();
        let scenarios = scenarios::all().into_iter().map(|entry| {
            let chapter = chapter(&entry.id).to_owned();
            let shared = entry
                .source
                .lines()
                .filter_map(|line| line.strip_prefix("use super::"))
                .filter_map(|path| path.split("::").next());
            let shared: String = shared.map(|file| text(&format!("{chapter}/{file}"))).collect();
            Source { text: format!("{}\n{shared}\n{}", entry.source, text(&chapter)), id: entry.id }
        });
        Ok(Self { scenarios: scenarios.collect(), sabotages: Sabotage::all()? })
    }

    /// The scenarios that use a kind of attempt: by name in their `use` lines, or by a word that the kind's file gives `Cx`.
    fn users(&self, kind: &str, source: &str) -> BTreeSet<String> {
        let of_cx = source.split("impl Cx").skip(1).flat_map(|text| text.split("fn ").skip(1));
        let words = of_cx.filter_map(|text| text.split(['(', '<']).next()).map(|word| format!("cx.{}(", word.trim()));
        let words: Vec<String> = words.collect();
        let uses = |text: &str| {
            let named = |line: &str| {
                line.starts_with("use harness::attempt::")
                    && line.split([':', ';', '{', '}', ',', ' ']).any(|word| word == kind)
            };
            text.lines().any(named) || words.iter().any(|word| text.contains(word.as_str()))
        };
        self.scenarios.iter().filter(|source| uses(&source.text)).map(|source| source.id.clone()).collect()
    }

    fn of_chapter(&self, name: &str) -> BTreeSet<String> {
        self.scenarios.iter().filter(|source| chapter(&source.id) == name).map(|source| source.id.clone()).collect()
    }

    /// One sabotage of each chapter that fails much of it and starts no crowd: together they ask every kind of question.
    fn sample(&self) -> BTreeSet<String> {
        let chapters: BTreeSet<&str> = self.scenarios.iter().map(|source| chapter(&source.id)).collect();
        let calm = |sabotage: &&Sabotage| sabotage.blind.is_none() && sabotage.flips.is_disjoint(&CROWDED);
        let of = |name: &str| {
            let fails = |sabotage: &&Sabotage| sabotage.flips.iter().filter(|id| chapter(id) == name).count();
            self.sabotages.iter().filter(calm).max_by_key(fails).filter(|sabotage| fails(sabotage) > 0)
        };
        chapters.into_iter().filter_map(of).map(|sabotage| sabotage.name.clone()).collect()
    }

    /// Few sabotages under which each of these fails at least once.
    fn cover(&self, ids: &BTreeSet<String>) -> BTreeSet<String> {
        let mut open = ids.clone();
        let mut chosen = BTreeSet::new();
        loop {
            let fails = |sabotage: &&Sabotage| (sabotage.flips.intersection(&open).count(), sabotage.blind.is_none());
            let Some(best) = self.sabotages.iter().max_by_key(fails).filter(|best| !best.flips.is_disjoint(&open))
            else {
                return chosen;
            };
            open.retain(|id| !best.flips.contains(id));
            chosen.insert(best.name.clone());
        }
    }
}

fn chapter(id: &str) -> &str {
    id.split('/').next().unwrap_or_default()
}

/// What is touched, and the sentences that say why.
#[derive(Debug, Default, PartialEq, Eq)]
struct Touched {
    /// Under each of their sabotages.
    scenarios: BTreeSet<String>,
    /// Under few sabotages.
    users: BTreeSet<String>,
    /// Themselves: anything may fail under them.
    sabotages: BTreeSet<String>,
    /// Something that everything stands on.
    everything: bool,
    told: Vec<String>,
}

impl Touched {
    fn by(files: &[String], catalogue: &Catalogue) -> Self {
        let mut touched = Self::default();
        for file in files {
            touched.add(file, catalogue);
        }
        touched
    }

    fn add(&mut self, file: &str, catalogue: &Catalogue) {
        let parts: Vec<&str> = file.split('/').collect();
        match parts.as_slice() {
            _ if file.ends_with(".md") => {}
            ["scenarios", "src", chapter, name] => {
                let id = format!("{chapter}/{}", name.trim_end_matches(".rs").replace('_', "-"));
                if catalogue.scenarios.iter().any(|source| source.id == id) {
                    self.scenarios.insert(id);
                } else {
                    self.users(file, catalogue.of_chapter(chapter));
                }
            }
            ["scenarios", "src", name] if *name != "lib.rs" => {
                self.users(file, catalogue.of_chapter(name.trim_end_matches(".rs")));
            }
            ["ci", "range", "sabotage", name, _] => {
                // One that is gone takes nothing away any more.
                let there = catalogue.sabotages.iter().filter(|sabotage| sabotage.name == *name);
                self.sabotages.extend(there.map(|sabotage| sabotage.name.clone()));
            }
            ["ci", "before-1.25", ..] | ["ci", "src", "api_server", ..] | ["ci", "src", "api_server.rs"] => {
                self.told.push(format!("{file}: `cargo xtask before-1.25` and `cargo xtask versions` prove it"));
            }
            ["ci", "versions", ..] | ["ci", "src", "versions", ..] | ["ci", "src", "versions.rs"] => {
                self.told.push(format!("{file}: `cargo xtask versions` proves it"));
            }
            ["harness", "src", "attempt", rest @ ..] if !rest.is_empty() => self.kind(file, rest, catalogue),
            // What the suite is made of, and what the range is made of.
            ["harness" | "scenarios" | "suites", ..]
            | ["ci", "range" | "metadata-service", ..]
            | ["ci", "src", "range" | "prove", ..] => {
                self.everything(file);
            }
            ["ci", "src", "range.rs" | "prove.rs" | "suite_program.rs"]
            | ["Cargo.toml" | "Cargo.lock" | "rust-toolchain.toml"] => {
                self.everything(file);
            }
            // Reports, tools and tests have tests of their own.
            _ => {}
        }
    }

    /// A kind is a file, or a folder; both may lie in a folder of their medium.
    fn kind(&mut self, file: &str, path: &[&str], catalogue: &Catalogue) {
        let source = std::fs::read_to_string(workspace().join(file)).unwrap_or_default();
        let kinds = path.iter().map(|part| part.trim_end_matches(".rs"));
        let users: BTreeSet<String> = kinds.flat_map(|kind| catalogue.users(kind, &source)).collect();
        if users.is_empty() { self.everything(file) } else { self.users(file, users) }
    }

    fn users(&mut self, file: &str, users: BTreeSet<String>) {
        self.told.push(format!("{file}: {} scenarios use it", users.len()));
        self.users.extend(users);
    }

    fn everything(&mut self, file: &str) {
        if !self.everything {
            self.told.push(format!("{file}: everything may depend on it; a sample of each chapter is proved, `cargo xtask range prove` proves all"));
        }
        self.everything = true;
    }

    fn is_nothing(&self) -> bool {
        self.scenarios.is_empty() && self.users.is_empty() && self.sabotages.is_empty() && !self.everything
    }

    fn subject(&self, catalogue: &Catalogue) -> Subject {
        let mut chosen = self.sabotages.clone();
        let of_scenarios = catalogue.sabotages.iter().filter(|sabotage| !sabotage.flips.is_disjoint(&self.scenarios));
        chosen.extend(of_scenarios.map(|sabotage| sabotage.name.clone()));
        // Crowds cost half a minute each time: they are for whoever changes them, and for the whole proof.
        let users: BTreeSet<String> = self.users.difference(&CROWDED).cloned().collect();
        chosen.extend(catalogue.cover(&users));
        if self.everything {
            chosen.extend(catalogue.sample());
        }
        let sabotages: Vec<Sabotage> =
            catalogue.sabotages.iter().filter(|sabotage| chosen.contains(&sabotage.name)).cloned().collect();
        // A sabotage may fail what it should not, and so may whatever everything stands on.
        let whole = self.everything || !self.sabotages.is_empty();
        let mut asked: BTreeSet<String> = self.scenarios.union(&users).cloned().collect();
        // What must be shown is shown by all of a sabotage's scenarios together.
        asked.extend(
            sabotages.iter().filter(|sabotage| !sabotage.shows.is_empty()).flat_map(|sabotage| sabotage.flips.clone()),
        );
        Subject { sabotages, scenarios: (!whole).then_some(asked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The names of the sabotages, and what is asked of the suite.
    fn subject(files: &[&str]) -> Option<(BTreeSet<String>, Option<BTreeSet<String>>)> {
        let catalogue = Catalogue::read().unwrap();
        let files: Vec<String> = files.iter().map(ToString::to_string).collect();
        let touched = Touched::by(&files, &catalogue);
        let subject = (!touched.is_nothing()).then(|| touched.subject(&catalogue))?;
        Some((subject.sabotages.into_iter().map(|sabotage| sabotage.name).collect(), subject.scenarios))
    }

    fn ids(text: &str) -> BTreeSet<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[rstest]
    #[case::a_scenario(
        "scenarios/src/network/etcd_closed.rs",
        "egress-everywhere etcd-granted network-plugin-blind network-plugin-blind-on-one-node",
        Some("network/etcd-closed")
    )]
    #[case::a_scenario_and_those_that_show_with_it(
        "scenarios/src/network/dns_still_works.rs",
        "dns-grant-deleted names-dead",
        Some("metadata/resolver-still-works network/dns-still-works")
    )]
    #[case::a_sabotage("ci/range/sabotage/ssh-granted/commit.sh", "ssh-granted", None)]
    #[case::a_shared_file(
        "scenarios/src/rbac/matrix.rs",
        "default-account-watches",
        Some("rbac/default-account-powerless")
    )]
    #[case::a_chapter("scenarios/src/resources.rs", "quota-deleted", Some("resources/quota-pods"))]
    #[case::a_kind(
        "harness/src/attempt/names.rs",
        "names-dead",
        Some("metadata/resolver-still-works network/dns-still-works")
    )]
    fn what_a_file_touches(#[case] file: &str, #[case] sabotages: &str, #[case] asked: Option<&str>) {
        assert_eq!(subject(&[file]), Some((ids(sabotages), asked.map(ids))));
    }

    #[rstest]
    #[case::words("README.md")]
    #[case::words_about_sabotages("scenarios/README.md")]
    #[case::reports("reports/src/junit.rs")]
    #[case::a_test("ci/tests/range.rs")]
    #[case::an_older_cluster("ci/before-1.25/sabotage/psp-for-everybody/apply.yaml")]
    #[case::other_versions("ci/versions/expected.toml")]
    #[case::what_is_gone("ci/range/sabotage/of-last-year/flips")]
    fn nothing_to_prove(#[case] file: &str) {
        assert_eq!(subject(&[file]), None);
    }

    #[rstest]
    #[case::how_anything_is_attempted("harness/src/cx.rs")]
    #[case::the_hardening("ci/range/hardened/10-network.yaml")]
    #[case::a_version("Cargo.lock")]
    #[case::nobody_names_it("harness/src/attempt/denial/reason.rs")]
    fn a_sample_of_each_chapter_stands_for_everything(#[case] file: &str) {
        let (sabotages, asked) = subject(&[file]).unwrap();
        assert_eq!(asked, None);
        let catalogue = Catalogue::read().unwrap();
        let chosen = catalogue.sabotages.iter().filter(|sabotage| sabotages.contains(&sabotage.name));
        let failing: BTreeSet<String> =
            chosen.flat_map(|sabotage| &sabotage.flips).map(|id| chapter(id).to_owned()).collect();
        let chapters: BTreeSet<String> =
            catalogue.scenarios.iter().map(|source| chapter(&source.id).to_owned()).collect();
        assert_eq!(failing, chapters);
        assert!(sabotages.len() <= chapters.len(), "{sabotages:?}");
    }

    #[test]
    fn each_of_a_chapter_fails_once_but_the_crowds() {
        let (sabotages, asked) = subject(&["scenarios/src/network.rs"]).unwrap();
        let catalogue = Catalogue::read().unwrap();
        let asked = asked.unwrap();
        assert!(asked.is_superset(&catalogue.of_chapter("network").difference(&CROWDED).cloned().collect()));
        let chosen = catalogue.sabotages.iter().filter(|sabotage| sabotages.contains(&sabotage.name));
        let failing: BTreeSet<String> = chosen.flat_map(|sabotage| sabotage.flips.clone()).collect();
        assert!(failing.is_superset(&asked), "{asked:?}");
    }

    #[test]
    fn words_that_a_kind_gives_cx_are_found_where_they_are_said() {
        let catalogue = Catalogue::read().unwrap();
        let source = "impl Cx {\n    pub async fn startup_window<'a>(&self) {}\n}";
        assert_eq!(catalogue.users("nothing", source), ids("metadata/startup-window"));
    }

    #[test]
    fn a_revision_that_is_none_takes_one_sentence() {
        let error = changed(&workspace(), "no-such-branch").unwrap_err().to_string();
        assert!(error.starts_with("--since no-such-branch: git knows no such commit"), "{error}");
    }
}
