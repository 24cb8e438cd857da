//! Sabotages: one protection of the hardened range taken away, to prove that the scenario which relies on it fails.
//!
//! A sabotage is a directory `ci/range/sabotage/NAME/`: `README` (its first line: which protection goes, which scenarios
//! must fail), `flips` (the ids of exactly those scenarios, a line each), and what it changes (see [`change`](super::change)). Where it is not
//! enough that a scenario fails, `shows` has what its evidence must say, a line each. Where controls go with the protection, `blind` says whose:
//! others may be inconclusive then. `masks` has the ids of scenarios, besides those of `flips`, whose answer it decides whatever another sabotage
//! does to them.

mod touches;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::change::{self, Change, directories, lines, summary};
use super::kubectl::Kubectl;
use super::manifests::data_dir;
use super::names::Names;

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
    pub(super) change: Change,
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
}

/// Takes the protections of all of `sabotages` away, at once.
///
/// # Errors
/// As [`change::commit`].
pub(crate) async fn commit(sabotages: &[&Sabotage], kubectl: &Kubectl, names: &Names) -> Result<()> {
    change::commit(&changes(sabotages), kubectl, names).await
}

/// Gives the protections back.
///
/// # Errors
/// As [`change::undo`].
pub(crate) async fn undo(sabotages: &[&Sabotage], kubectl: &Kubectl, names: &Names) -> Result<()> {
    change::undo(&changes(sabotages), kubectl, names).await
}

fn changes<'a>(sabotages: &[&'a Sabotage]) -> Vec<&'a Change> {
    sabotages.iter().map(|sabotage| &sabotage.change).collect()
}

/// Those of a directory.
///
/// # Errors
/// When one is not well formed.
pub(crate) fn all_in(dir: &Path) -> Result<Vec<Sabotage>> {
    directories(dir).iter().map(|dir| read(dir)).collect()
}

fn read(dir: &Path) -> Result<Sabotage> {
    let text = |file: &str| fs::read_to_string(dir.join(file)).ok();
    let change = Change::read(dir)?;
    let sabotage = Sabotage {
        name: change.name.clone(),
        summary: summary(dir, "the sabotage takes away")?,
        flips: lines(text("flips")).collect(),
        shows: lines(text("shows")).collect(),
        blind: text("blind"),
        masks: lines(text("masks")).collect(),
        change,
    };
    ensure!(!sabotage.flips.is_empty(), "{} names no scenario that must fail", dir.join("flips").display());
    Ok(sabotage)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(found[0].change.delete[0].namespace.as_deref(), Some("shop"));
        assert_eq!(found[0].change.delete[1].object, "clusterrole/reader");
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

    #[test]
    fn every_sabotage_in_the_tree_is_well_formed() {
        Sabotage::all().unwrap();
    }
}
