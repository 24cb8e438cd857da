//! Sabotages: one protection of the hardened range taken away, to prove that the scenario which relies on it fails.
//!
//! A sabotage is a directory `ci/range/sabotage/NAME/`: `README` (its first line: which protection goes, which scenarios
//! must fail), `flips` (the ids of exactly those scenarios, a line each), and at least one of `apply.yaml`, `delete.txt` (lines
//! `KIND/NAME [-n NAMESPACE]`), and the pair `commit.sh` and `undo.sh`, which run on each worker for what no manifest can change
//! (undo also where commit failed half-way: it must do no harm twice), and `signals`: what the metadata service gets, first at
//! commit, then at undo, a line each. Where it is not enough that a scenario fails, `shows` has what
//! its evidence must say, a line each. Where controls go with the protection, `blind` says whose: others may be inconclusive then.
//! `masks` has the ids of scenarios, besides those of `flips`, whose answer it decides whatever another sabotage does to them.

mod touches;

use std::collections::{BTreeMap, BTreeSet};
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
/// Admission policies are taken up once a second only (apiserver, admission/plugin/policy/generic), and nothing that could be watched tells when.
pub(crate) const POLICIES_TAKEN_UP_AFTER: Duration = Duration::from_secs(3);

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
    /// The ids of scenarios whose answer it decides whatever another sabotage does to them, besides those that must fail.
    pub masks: BTreeSet<String>,
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

    /// Whether admission policies are among what it changes.
    fn is_about_policies(&self) -> bool {
        let deleted = self.delete.iter().map(|deletion| deletion.object.as_str());
        deleted.chain(self.apply.as_deref()).any(|text| text.to_lowercase().contains("validatingadmissionpolicy"))
    }
}

/// Takes the protections of all of `sabotages` away, at once.
///
/// # Errors
/// Names those that could not be committed. Some of it may have been done all the same.
pub(crate) async fn commit(sabotages: &[&Sabotage], kubectl: &Kubectl, names: &Names) -> Result<()> {
    let scripts = scripts(sabotages, |scripts| &scripts.commit);
    let (altered, ran) = tokio::join!(alter(sabotages, kubectl, names), on_workers(names, &scripts));
    let done = altered.and(ran).and_then(|()| signal_metadata(sabotages, names, |signals| &signals.commit));
    done.with_context(|| format!("{} cannot be committed", told(sabotages)))?;
    taken_up(sabotages).await;
    Ok(())
}

/// Gives the protections back: the hardening again, once for all of them, and away with what only the sabotages made.
///
/// # Errors
/// Names those that could not be undone. All that could be is.
pub(crate) async fn undo(sabotages: &[&Sabotage], kubectl: &Kubectl, names: &Names) -> Result<()> {
    // What came last goes first, as with any stack.
    let mut scripts = scripts(sabotages, |scripts| &scripts.undo);
    scripts.reverse();
    let (ran, restored) = tokio::join!(on_workers(names, &scripts), restore(sabotages, kubectl, names));
    let signalled = signal_metadata(sabotages, names, |signals| &signals.undo);
    ran.and(restored).and(signalled).with_context(|| format!("{} cannot be undone", told(sabotages)))
}

fn told(sabotages: &[&Sabotage]) -> String {
    let names: Vec<String> = sabotages.iter().map(|sabotage| format!("`{}`", sabotage.name)).collect();
    format!("sabotage {}", names.join(", "))
}

async fn alter(sabotages: &[&Sabotage], kubectl: &Kubectl, names: &Names) -> Result<()> {
    let manifests = manifests(sabotages, kubectl, names).await?;
    if !manifests.is_empty() {
        let made = kubectl.apply(&manifests).await?;
        kubectl.wait_for(&made, READY_SECONDS).await?;
    }
    // The last: where all are committed, what one of them alters another takes away.
    for deletion in sabotages.iter().flat_map(|sabotage| &sabotage.delete) {
        delete(kubectl, std::slice::from_ref(&deletion.object), deletion.namespace.as_deref()).await?;
    }
    Ok(())
}

async fn restore(sabotages: &[&Sabotage], kubectl: &Kubectl, names: &Names) -> Result<()> {
    let mut hardened = Vec::new();
    for dir in sabotages.iter().map(|sabotage| &sabotage.hardened).collect::<BTreeSet<_>>() {
        hardened.extend(hardening::apply(kubectl, names, dir).await?);
    }
    taken_up(sabotages).await;
    let manifests = manifests(sabotages, kubectl, names).await?;
    if manifests.is_empty() {
        return Ok(());
    }
    let mut made: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    for object in kubectl.read(&manifests).await? {
        // What the hardening has too was only altered, and is itself again by now.
        if !hardened.contains(&object) {
            made.entry(object.namespace.clone()).or_default().push(object.to_string());
        }
    }
    for (namespace, objects) in &made {
        delete(kubectl, objects, namespace.as_deref()).await?;
    }
    Ok(())
}

/// Waits until the API server judges by what has changed.
async fn taken_up(sabotages: &[&Sabotage]) {
    if sabotages.iter().any(|sabotage| sabotage.is_about_policies()) {
        tokio::time::sleep(POLICIES_TAKEN_UP_AFTER).await;
    }
}

/// What they apply, filled, as one text.
async fn manifests(sabotages: &[&Sabotage], kubectl: &Kubectl, names: &Names) -> Result<String> {
    let mut filled = Vec::new();
    for sabotage in sabotages {
        if let Some(text) = &sabotage.apply {
            filled.push(fill(kubectl, names, &format!("apply.yaml of sabotage `{}`", sabotage.name), text).await?);
        }
    }
    Ok(filled.join("\n---\n"))
}

fn scripts<'a>(sabotages: &[&'a Sabotage], which: fn(&'a Scripts) -> &'a String) -> Vec<(&'a str, &'a str)> {
    let scripts = sabotages.iter().filter_map(|sabotage| {
        let script = which(sabotage.scripts.as_ref()?);
        Some((sabotage.name.as_str(), script.as_str()))
    });
    scripts.collect()
}

/// On both workers at once; on each of them one after the other, for they may want the same locks. One that fails stops none.
async fn on_workers(names: &Names, scripts: &[(&str, &str)]) -> Result<()> {
    let on = |worker: String| async move {
        let mut done = Ok(());
        for (name, script) in scripts {
            let ran = exec(&worker, &["sh", "-e"], script.as_bytes(), SCRIPT_LIMIT).await;
            done = done.and(ran.map(drop).with_context(|| format!("the script of `{name}` failed")));
        }
        done
    };
    let [first, second] = names.workers().map(on);
    let (first, second) = tokio::join!(first, second);
    first.and(second)
}

fn signal_metadata(sabotages: &[&Sabotage], names: &Names, which: fn(&Signals) -> &String) -> Result<()> {
    for signals in sabotages.iter().filter_map(|sabotage| sabotage.signals.as_ref()) {
        docker(&["kill", "--signal", which(signals), &names.metadata()])?;
    }
    Ok(())
}

async fn delete(kubectl: &Kubectl, objects: &[String], namespace: Option<&str>) -> Result<()> {
    let mut what: Vec<&str> = objects.iter().map(String::as_str).collect();
    if let Some(namespace) = namespace {
        what.extend(["-n", namespace]);
    }
    kubectl.delete(&what).await
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
        masks: lines(text("masks")).collect(),
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
