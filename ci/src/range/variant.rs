//! Variants: clusters that are fine, and are not the hardened range: closed better than asked, or with others at work beside the suite. What is
//! denied on the range must be denied there, or say what it cannot tell.
//!
//! A variant is a directory `ci/range/variants/NAME/`: `README` (its first line: what is otherwise), what it changes (see
//! [`change`](super::change)), and where something is said otherwise `says`: lines `SCENARIO: OUTCOME: WORDS`, which hold for each of its cells, or
//! `probes: WORDS`, for each probe. Where the run is told of it, `conformance.toml` is what it is told.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::change::{Change, directories, lines, summary};
use super::manifests::data_dir;

/// A variant as it lies in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its directory's name.
    pub name: String,
    /// What is otherwise.
    pub summary: String,
    /// Of which scenario, or of the probes, and how what is told of it begins and goes on.
    pub says: Vec<(String, String)>,
    /// What the run is told of the cluster.
    pub conformance: Option<String>,
    pub(super) change: Change,
}

impl Variant {
    /// Every variant there is, by name.
    ///
    /// # Errors
    /// When one is not well formed.
    pub fn all() -> Result<Vec<Self>> {
        directories(&data_dir().join("variants")).iter().map(|dir| read(dir)).collect()
    }

    /// # Errors
    /// When there is none of that name; the error lists those that there are.
    pub fn named(name: &str) -> Result<Self> {
        let all = Self::all()?;
        let names: Vec<_> = all.iter().map(|variant| variant.name.clone()).collect();
        all.into_iter()
            .find(|variant| variant.name == name)
            .with_context(|| format!("there is no variant `{name}`; there are: {}", names.join(", ")))
    }

    /// Whether both can be had at once: a run can only be told one thing, and a scenario says one thing.
    pub fn goes_with(&self, other: &Self) -> bool {
        let says = |id: &String| other.says.iter().any(|(of, _)| of == id);
        self.conformance == other.conformance && !self.says.iter().any(|(id, _)| says(id))
    }
}

fn read(dir: &Path) -> Result<Variant> {
    let text = |file: &str| fs::read_to_string(dir.join(file)).ok();
    let change = Change::read(dir)?;
    let says = lines(text("says")).map(|line| {
        let (of, words) = line.split_once(": ").with_context(|| {
            format!(
                "{}: a line reads `SCENARIO: OUTCOME: WORDS` or `probes: WORDS`, not `{line}`",
                dir.join("says").display()
            )
        })?;
        Ok((of.to_owned(), words.to_owned()))
    });
    let says = says.collect::<Result<Vec<_>>>()?;
    let own = dir.join("conformance.toml");
    ensure!(!says.is_empty(), "{} says nothing that shows whether the variant is there", dir.join("says").display());
    let conformance = text("conformance.toml");
    ensure!(
        conformance.as_ref().is_none_or(|text| text.contains("{{CONTEXT}}")),
        "{} has no entry for the range, whose context is {{{{CONTEXT}}}}",
        own.display()
    );
    Ok(Variant { name: change.name.clone(), summary: summary(dir, "is otherwise")?, says, conformance, change })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prove_variants::PROBES;
    use std::collections::BTreeSet;

    #[test]
    fn every_variant_in_the_tree_is_well_formed_and_speaks_of_what_there_is() {
        let all: BTreeSet<String> = scenarios::all().into_iter().map(|entry| entry.id).collect();
        for variant in Variant::all().unwrap() {
            for (of, _) in &variant.says {
                assert!(of == PROBES || all.contains(of), "{}: {of}", variant.name);
            }
        }
    }

    #[test]
    fn who_can_be_had_at_once() {
        let named = |name: &str| Variant::named(name).unwrap();
        assert!(named("injector").goes_with(&named("closed-nodes")));
        assert!(!named("default-deny").goes_with(&named("closed-nodes")));
        assert!(!named("injector").goes_with(&named("full-node")));
    }
}
