//! A short name for some content.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};

/// Collects content; the same content in the same order has the same name on every machine.
pub(crate) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Every file below a directory, with its path: a renamed file is another input.
    pub(crate) fn tree(mut self, root: &Path) -> anyhow::Result<Self> {
        for file in files(root)? {
            let name = file.strip_prefix(root).unwrap_or(&file);
            let content = std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            self = self.text(&name.to_string_lossy()).bytes(&content);
        }
        Ok(self)
    }

    /// Twelve hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        let digest = self.0.finalize();
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The length goes first, so that "ab" + "c" and "a" + "bc" differ.
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }
}

/// The files below a directory in a fixed order.
pub(crate) fn files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in
            std::fs::read_dir(&directory).with_context(|| format!("{} cannot be listed", directory.display()))?
        {
            let path = entry?.path();
            if path.is_dir() { directories.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::same(&["a", "b"], true)]
    #[case::cut_elsewhere(&["ab"], false)]
    #[case::other_order(&["b", "a"], false)]
    #[case::more(&["a", "b", ""], false)]
    fn names_content(#[case] texts: &[&str], #[case] same: bool) {
        let name = |texts: &[&str]| texts.iter().fold(Fingerprint::new(), |print, text| print.text(text)).finish();
        assert_eq!(name(texts) == name(&["a", "b"]), same);
        assert_eq!(name(texts).len(), 12);
    }

    #[test]
    fn a_tree_is_its_names_and_contents() {
        let tree = tempfile::tempdir().unwrap();
        let name = || Fingerprint::new().tree(tree.path()).unwrap().finish();
        std::fs::create_dir(tree.path().join("below")).unwrap();
        std::fs::write(tree.path().join("below/a"), "1").unwrap();
        let first = name();
        assert_eq!(name(), first);
        std::fs::write(tree.path().join("below/a"), "2").unwrap();
        assert_ne!(name(), first);
        std::fs::write(tree.path().join("below/a"), "1").unwrap();
        std::fs::rename(tree.path().join("below/a"), tree.path().join("below/b")).unwrap();
        assert_ne!(name(), first);
    }
}
