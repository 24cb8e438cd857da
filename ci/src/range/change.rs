//! Changes of the hardened range that can be undone: what a sabotage takes away, what a variant has otherwise.
//!
//! A change is a directory with at least one of `apply.yaml`, `delete.txt` (lines `KIND/NAME [-n NAMESPACE]`), and the pair `commit.sh` and
//! `undo.sh`, which run on each worker for what no manifest can change (undo also where commit failed half-way: it must do no harm twice), and
//! `signals`: what the metadata service gets, first at commit, then at undo, a line each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::docker::{docker, exec};
use super::hardening;
use super::kubectl::Kubectl;
use super::manifests::fill;
use super::names::Names;

const READY_SECONDS: u32 = 30;
const SCRIPT_LIMIT: Duration = Duration::from_secs(60);
/// Admission policies are taken up once a second only (apiserver, admission/plugin/policy/generic), and nothing that could be watched tells when.
pub(crate) const POLICIES_TAKEN_UP_AFTER: Duration = Duration::from_secs(3);

/// A change as it lies in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its directory's name.
    pub name: String,
    pub(super) apply: Option<String>,
    pub(super) delete: Vec<Deletion>,
    pub(super) scripts: Option<Scripts>,
    signals: Option<Signals>,
    /// What undoing it gives back: the hardening that lies beside its kind.
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
pub(super) struct Scripts {
    commit: String,
    pub(super) undo: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deletion {
    pub(super) object: String,
    pub(super) namespace: Option<String>,
}

impl Change {
    /// That of a directory.
    ///
    /// # Errors
    /// When it is not well formed.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let text = |file: &str| fs::read_to_string(dir.join(file)).ok();
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
        let change = Self {
            name: dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            apply: text("apply.yaml"),
            delete: deletions(&dir.join("delete.txt"), &text("delete.txt").unwrap_or_default())?,
            scripts,
            signals,
            hardened: dir.join("../../hardened"),
        };
        ensure!(
            change.apply.is_some() || !change.delete.is_empty() || change.scripts.is_some() || change.signals.is_some(),
            "{} changes nothing: it needs an apply.yaml, a delete.txt, signals, or a commit.sh with its undo.sh",
            dir.display()
        );
        Ok(change)
    }

    /// Whether admission policies are among what it changes.
    fn is_about_policies(&self) -> bool {
        let deleted = self.delete.iter().map(|deletion| deletion.object.as_str());
        deleted.chain(self.apply.as_deref()).any(|text| text.to_lowercase().contains("admissionpolicy"))
    }
}

/// The first line of the `README` of a directory.
///
/// # Errors
/// When there is none.
pub(super) fn summary(dir: &Path, of: &str) -> Result<String> {
    let readme = fs::read_to_string(dir.join("README")).unwrap_or_default();
    let first = readme.lines().next().map(str::trim).filter(|line| !line.is_empty());
    let what = || format!("{}: its first line must say what {of}", dir.join("README").display());
    first.map(str::to_owned).with_context(what)
}

/// The directories below one, by name; none where it is not there.
pub(super) fn directories(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut dirs: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    dirs.sort();
    dirs
}

/// Makes all of `changes`, at once.
///
/// # Errors
/// Names those that could not be made. Some of it may have been done all the same.
pub(crate) async fn commit(changes: &[&Change], kubectl: &Kubectl, names: &Names) -> Result<()> {
    let scripts = scripts(changes, |scripts| &scripts.commit);
    let (altered, ran) = tokio::join!(alter(changes, kubectl, names), on_workers(names, &scripts));
    let done = altered.and(ran).and_then(|()| signal_metadata(changes, names, |signals| &signals.commit));
    done.with_context(|| format!("{} cannot be made", told(changes)))?;
    taken_up(changes).await;
    Ok(())
}

/// Undoes them: the hardening again, once for all of them, and away with what only the changes made.
///
/// # Errors
/// Names those that could not be undone. All that could be is.
pub(crate) async fn undo(changes: &[&Change], kubectl: &Kubectl, names: &Names) -> Result<()> {
    // What came last goes first, as with any stack.
    let mut scripts = scripts(changes, |scripts| &scripts.undo);
    scripts.reverse();
    let (ran, restored) = tokio::join!(on_workers(names, &scripts), restore(changes, kubectl, names));
    let signalled = signal_metadata(changes, names, |signals| &signals.undo);
    ran.and(restored).and(signalled).with_context(|| format!("{} cannot be undone", told(changes)))
}

fn told(changes: &[&Change]) -> String {
    changes.iter().map(|change| format!("`{}`", change.name)).collect::<Vec<_>>().join(", ")
}

async fn alter(changes: &[&Change], kubectl: &Kubectl, names: &Names) -> Result<()> {
    let manifests = manifests(changes, kubectl, names).await?;
    if !manifests.is_empty() {
        let made = kubectl.apply(&manifests).await?;
        kubectl.wait_for(&made, READY_SECONDS).await?;
    }
    // The last: where all are committed, what one of them alters another takes away.
    for deletion in changes.iter().flat_map(|change| &change.delete) {
        delete(kubectl, std::slice::from_ref(&deletion.object), deletion.namespace.as_deref()).await?;
    }
    Ok(())
}

async fn restore(changes: &[&Change], kubectl: &Kubectl, names: &Names) -> Result<()> {
    let mut hardened = Vec::new();
    for dir in changes.iter().map(|change| &change.hardened).collect::<BTreeSet<_>>() {
        hardened.extend(hardening::apply(kubectl, names, dir).await?);
    }
    taken_up(changes).await;
    let manifests = manifests(changes, kubectl, names).await?;
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
async fn taken_up(changes: &[&Change]) {
    if changes.iter().any(|change| change.is_about_policies()) {
        tokio::time::sleep(POLICIES_TAKEN_UP_AFTER).await;
    }
}

/// What they apply, filled, as one text.
async fn manifests(changes: &[&Change], kubectl: &Kubectl, names: &Names) -> Result<String> {
    let mut filled = Vec::new();
    for change in changes {
        if let Some(text) = &change.apply {
            filled.push(fill(kubectl, names, &format!("apply.yaml of `{}`", change.name), text).await?);
        }
    }
    Ok(filled.join("\n---\n"))
}

fn scripts<'a>(changes: &[&'a Change], which: fn(&'a Scripts) -> &'a String) -> Vec<(&'a str, &'a str)> {
    let scripts = changes.iter().filter_map(|change| {
        let script = which(change.scripts.as_ref()?);
        Some((change.name.as_str(), script.as_str()))
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

fn signal_metadata(changes: &[&Change], names: &Names, which: fn(&Signals) -> &String) -> Result<()> {
    for signals in changes.iter().filter_map(|change| change.signals.as_ref()) {
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

pub(super) fn lines(text: Option<String>) -> impl Iterator<Item = String> {
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

    #[rstest]
    #[case("networkpolicy")]
    #[case("networkpolicy/")]
    #[case("networkpolicy/deny shop")]
    #[case("--all/x")]
    fn a_line_that_names_no_object_is_refused_by_number(#[case] line: &str) {
        let error = deletions(Path::new("delete.txt"), &format!("pod/x\n{line}\n")).unwrap_err().to_string();
        assert!(error.starts_with("delete.txt:2: "), "{error}");
    }
}
