//! Sabotages: one protection of the hardened range taken away, to prove that the scenario which relies on it fails.
//!
//! A sabotage is a directory `ci/range/sabotage/NAME/`: `README` (its first line: which protection goes, which scenarios
//! must fail), `flips` (the ids of exactly those scenarios, a line each), and at least one of `apply.yaml`, `delete.txt` (lines
//! `KIND/NAME [-n NAMESPACE]`), and the pair `commit.sh` and `undo.sh`, which run on each worker for what no manifest can change
//! (undo also where commit failed half-way: it must do no harm twice), and `signals`: what the metadata service gets, first at
//! commit, then at undo, a line each. Where it is not enough that a scenario fails, `shows` has what
//! its evidence must say, a line each. Where controls go with the protection, `blind` says whose: others may be inconclusive then.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::docker::{docker, exec};
use super::hardening;
use super::kubectl::Kubectl;
use super::manifests::{data_dir, fill};
use super::names::Names;

const READY_SECONDS: u32 = 30;
const SCRIPT_LIMIT: Duration = Duration::from_secs(60);
const POLICIES_TAKEN_UP_AFTER: Duration = Duration::from_secs(3);

/// A sabotage as it lies in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sabotage {
    /// Its directory's name.
    pub name: String,
    /// Which protection goes, and which scenarios must fail then.
    pub summary: String,
    /// The ids of the scenarios that must fail then, and no others.
    pub flips: BTreeSet<String>,
    /// What the evidence of those must say.
    pub shows: Vec<String>,
    /// What cannot be told then: scenarios that need not fail may be inconclusive.
    pub blind: Option<String>,
    apply: Option<String>,
    delete: Vec<Deletion>,
    scripts: Option<Scripts>,
    signals: Option<Signals>,
    /// What undoing it gives back: the hardening that lies beside the sabotages.
    hardened: PathBuf,
}

/// What the metadata service is sent, by the names that `kill` has for them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signals {
    commit: String,
    undo: String,
}

/// What each worker runs, by `sh -e` as root.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scripts {
    commit: String,
    undo: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Deletion {
    object: String,
    namespace: Option<String>,
}

impl Sabotage {
    /// Every sabotage there is, by name.
    ///
    /// # Errors
    /// When one is not well formed.
    pub fn all() -> Result<Vec<Self>> {
        all_in(&data_dir().join("sabotage"))
    }

    /// # Errors
    /// When there is none of that name; the error lists those that there are.
    pub fn named(name: &str) -> Result<Self> {
        let all = Self::all()?;
        let names: Vec<_> = all.iter().map(|sabotage| sabotage.name.clone()).collect();
        ensure!(!all.is_empty(), "there is no sabotage in {}", data_dir().join("sabotage").display());
        all.into_iter()
            .find(|sabotage| sabotage.name == name)
            .with_context(|| format!("there is no sabotage `{name}`; there are: {}", names.join(", ")))
    }

    /// Takes the protection away.
    pub(crate) async fn commit(&self, kubectl: &Kubectl, names: &Names) -> Result<()> {
        let context = || format!("sabotage `{}` cannot be committed", self.name);
        for deletion in &self.delete {
            delete(kubectl, &deletion.object, deletion.namespace.as_deref()).await.with_context(context)?;
        }
        if let Some(text) = &self.apply {
            let manifests = self.fill(kubectl, names, text).await?;
            let made = kubectl.apply(&manifests).await.with_context(context)?;
            kubectl.wait_for(&made, READY_SECONDS).await.with_context(context)?;
        }
        if let Some(scripts) = &self.scripts {
            on_workers(names, &scripts.commit).await.with_context(context)?;
        }
        if let Some(signals) = &self.signals {
            signal_metadata(names, &signals.commit).with_context(context)?;
        }
        self.taken_up().await;
        Ok(())
    }

    /// Gives the protection back: the hardening again, and away with what only the sabotage made.
    pub(crate) async fn undo(&self, kubectl: &Kubectl, names: &Names) -> Result<()> {
        let context = || format!("sabotage `{}` cannot be undone", self.name);
        if let Some(scripts) = &self.scripts {
            on_workers(names, &scripts.undo).await.with_context(context)?;
        }
        if let Some(signals) = &self.signals {
            signal_metadata(names, &signals.undo).with_context(context)?;
        }
        let hardened = hardening::apply(kubectl, names, &self.hardened).await.with_context(context)?;
        self.taken_up().await;
        let Some(text) = &self.apply else {
            return Ok(());
        };
        let manifests = self.fill(kubectl, names, text).await?;
        for object in kubectl.read(&manifests).await.with_context(context)? {
            // What the hardening has too was only altered, and is itself again by now.
            if !hardened.contains(&object) {
                delete(kubectl, &object.to_string(), object.namespace.as_deref()).await.with_context(context)?;
            }
        }
        Ok(())
    }

    /// Waits until the API server judges by what has changed: admission policies it takes up once a second only (apiserver,
    /// admission/plugin/policy/generic), and nothing that could be watched tells when.
    async fn taken_up(&self) {
        let deleted = self.delete.iter().map(|deletion| deletion.object.as_str());
        if deleted.chain(self.apply.as_deref()).any(|text| text.to_lowercase().contains("validatingadmissionpolicy")) {
            tokio::time::sleep(POLICIES_TAKEN_UP_AFTER).await;
        }
    }

    async fn fill(&self, kubectl: &Kubectl, names: &Names, text: &str) -> Result<String> {
        fill(kubectl, names, &format!("apply.yaml of sabotage `{}`", self.name), text).await
    }
}

async fn on_workers(names: &Names, script: &str) -> Result<()> {
    let [first, second] = names.workers();
    let on = |worker: String| async move { exec(&worker, &["sh", "-e"], script.as_bytes(), SCRIPT_LIMIT).await };
    tokio::try_join!(on(first), on(second)).map(drop)
}

fn signal_metadata(names: &Names, signal: &str) -> Result<()> {
    docker(&["kill", "--signal", signal, &names.metadata()]).map(drop)
}

async fn delete(kubectl: &Kubectl, object: &str, namespace: Option<&str>) -> Result<()> {
    let mut args = vec!["delete", "--ignore-not-found", "--wait", "--timeout=60s", object];
    if let Some(namespace) = namespace {
        args.extend(["-n", namespace]);
    }
    kubectl.run(&args).await.map(drop)
}

/// Those of a directory.
///
/// # Errors
/// When one is not well formed.
pub(crate) fn all_in(dir: &Path) -> Result<Vec<Sabotage>> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Ok(Vec::new());
    };
    let mut dirs: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    dirs.sort();
    dirs.iter().map(|dir| read(dir)).collect()
}

fn read(dir: &Path) -> Result<Sabotage> {
    let text = |file: &str| fs::read_to_string(dir.join(file)).ok();
    let readme = text("README").unwrap_or_default();
    let scripts = match (text("commit.sh"), text("undo.sh")) {
        (Some(commit), Some(undo)) => Some(Scripts { commit, undo }),
        (None, None) => None,
        _ => bail!("{}: commit.sh and undo.sh go together", dir.display()),
    };
    let signals: Vec<String> = lines(text("signals")).collect();
    let signals = match signals.as_slice() {
        [] => None,
        [commit, undo] => Some(Signals { commit: commit.clone(), undo: undo.clone() }),
        _ => bail!("{}: one line at commit and one at undo", dir.join("signals").display()),
    };
    let summary = readme.lines().next().map(str::trim).filter(|line| !line.is_empty());
    let sabotage = Sabotage {
        name: dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        summary: summary
            .with_context(|| {
                format!("{}: its first line must say what the sabotage takes away", dir.join("README").display())
            })?
            .to_owned(),
        flips: lines(text("flips")).collect(),
        shows: lines(text("shows")).collect(),
        blind: text("blind"),
        apply: text("apply.yaml"),
        delete: deletions(&dir.join("delete.txt"), &text("delete.txt").unwrap_or_default())?,
        scripts,
        signals,
        hardened: dir.join("../../hardened"),
    };
    ensure!(!sabotage.flips.is_empty(), "{} names no scenario that must fail", dir.join("flips").display());
    ensure!(
        sabotage.apply.is_some()
            || !sabotage.delete.is_empty()
            || sabotage.scripts.is_some()
            || sabotage.signals.is_some(),
        "{} takes nothing away: it needs an apply.yaml, a delete.txt, signals, or a commit.sh with its undo.sh",
        dir.display()
    );
    Ok(sabotage)
}

fn lines(text: Option<String>) -> impl Iterator<Item = String> {
    let text = text.unwrap_or_default();
    let lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    lines.into_iter()
}

fn deletions(file: &Path, text: &str) -> Result<Vec<Deletion>> {
    let mut deletions = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (object, namespace) = match words.as_slice() {
            [] => continue,
            [first, ..] if first.starts_with('#') => continue,
            [object] => (*object, None),
            [object, "-n", namespace] => (*object, Some(*namespace)),
            _ => ("", None),
        };
        let whole = object.split_once('/').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
        if !whole || object.starts_with('-') {
            bail!(
                "{}:{}: a line reads `KIND/NAME` or `KIND/NAME -n NAMESPACE`, not `{line}`",
                file.display(),
                number + 1
            );
        }
        deletions.push(Deletion { object: object.to_owned(), namespace: namespace.map(str::to_owned) });
    }
    Ok(deletions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::path::PathBuf;

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("oke-conformance-sabotage-{name}-{}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_sabotage_is_read_from_its_directory() {
        let tree = Tree::new(
            "whole",
            &[
                ("no-deny/README", "The default-deny goes: network/namespaces-isolated fails.\nMore.\n"),
                ("no-deny/flips", "network/namespaces-isolated\n"),
                ("no-deny/delete.txt", "# both\nnetworkpolicy/deny -n shop\n\nclusterrole/reader\n"),
            ],
        );
        let found = all_in(&tree.0).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "no-deny");
        assert_eq!(found[0].summary, "The default-deny goes: network/namespaces-isolated fails.");
        assert_eq!(found[0].flips, ["network/namespaces-isolated".to_owned()].into());
        assert_eq!(found[0].delete[0].namespace.as_deref(), Some("shop"));
        assert_eq!(found[0].delete[1].object, "clusterrole/reader");
    }

    #[test]
    fn a_sabotage_that_takes_nothing_away_is_refused() {
        let tree = Tree::new("idle", &[("idle/README", "Nothing."), ("idle/flips", "a/b")]);
        assert!(all_in(&tree.0).unwrap_err().to_string().ends_with("or a commit.sh with its undo.sh"));
    }

    #[test]
    fn a_sabotage_that_fails_nothing_is_refused() {
        let tree = Tree::new("tame", &[("tame/README", "Something."), ("tame/apply.yaml", "kind: Pod")]);
        assert!(all_in(&tree.0).unwrap_err().to_string().ends_with("names no scenario that must fail"));
    }

    #[test]
    fn what_a_worker_does_it_must_be_able_to_undo() {
        let tree = Tree::new("one-way", &[("a/README", "No way back."), ("a/flips", "a/b"), ("a/commit.sh", "true")]);
        assert!(all_in(&tree.0).unwrap_err().to_string().ends_with("commit.sh and undo.sh go together"));
    }

    #[test]
    fn a_sabotage_without_a_summary_is_refused() {
        let tree = Tree::new("mute", &[("mute/apply.yaml", "kind: Pod")]);
        assert!(all_in(&tree.0).unwrap_err().to_string().contains("README"));
    }

    #[rstest]
    #[case("networkpolicy")]
    #[case("networkpolicy/")]
    #[case("networkpolicy/deny shop")]
    #[case("--all/x")]
    fn a_line_that_names_no_object_is_refused_by_number(#[case] line: &str) {
        let error = deletions(Path::new("delete.txt"), &format!("pod/x\n{line}\n")).unwrap_err().to_string();
        assert!(error.starts_with("delete.txt:2: "), "{error}");
    }

    #[test]
    fn every_sabotage_in_the_tree_is_well_formed() {
        Sabotage::all().unwrap();
    }
}
