//! Made parts, each under the name of what it was made from.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;

use crate::progress::{Tell, while_telling, words};

/// `$XDG_CACHE_HOME/oke-conformance/node-image`, by default below `~/.cache`.
pub(super) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// # Errors
    /// When the directory cannot be made.
    pub(super) fn open() -> anyhow::Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let caches = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache"))).context(
            "neither XDG_CACHE_HOME nor HOME is set; set one, the parts of the node image are kept below it",
        )?;
        Self::at(caches.join("oke-conformance/node-image"))
    }

    fn at(root: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&root).with_context(|| format!("the cache {} cannot be made", root.display()))?;
        Ok(Self { root })
    }

    /// One builder at a time: two would do the same work twice, each at half the speed.
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub(super) async fn lock(&self, tell: &dyn Tell) -> anyhow::Result<File> {
        let path = self.root.join("lock");
        let file = File::create(&path).with_context(|| format!("{} cannot be opened", path.display()))?;
        if file.try_lock().is_err() {
            let what = "another process builds the node image; waiting for it";
            tell.line(what);
            let waiting = file.try_clone()?;
            let locked = tokio::task::spawn_blocking(move || waiting.lock());
            while_telling(tell, |since| format!("{what}, {}", words(since)), locked).await??;
        }
        self.forget_unfinished();
        Ok(file)
    }

    /// What a builder was making when it was cut off; with the lock held, nobody works there.
    fn forget_unfinished(&self) {
        let Ok(entries) = std::fs::read_dir(&self.root) else { return };
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with('.')) {
            // Of no use to anybody, and in nobody's way when it cannot go.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }

    /// The directory of a made part.
    pub(super) fn find(&self, name: &str, key: &str) -> Option<PathBuf> {
        let path = self.path(name, key);
        path.is_dir().then_some(path)
    }

    /// The directory of a part, made first where it is not there. It appears whole or not at all.
    ///
    /// # Errors
    /// What making it says.
    pub(super) async fn ensure(
        &self,
        name: &str,
        key: &str,
        tell: &dyn Tell,
        make: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<PathBuf> {
        if let Some(made) = self.find(name, key) {
            return Ok(made);
        }
        let since = Instant::now();
        tell.line(&format!("making {name}"));
        let work = self.work(name)?;
        let result = work.path().join("result");
        std::fs::create_dir(&result)?;
        make(&result).await.with_context(|| format!("{name} cannot be made"))?;
        let path = self.path(name, key);
        std::fs::rename(&result, &path).with_context(|| format!("{} cannot be put in place", path.display()))?;
        tell.line(&format!("made {name} ({:.1} s)", since.elapsed().as_secs_f32()));
        Ok(path)
    }

    /// A directory to work in, on the cache's own disk (a root file system may not fit into /tmp), gone with its value.
    pub(super) fn work(&self, name: &str) -> anyhow::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(&format!(".{name}-"))
            .tempdir_in(&self.root)
            .with_context(|| format!("no working directory can be made in {}", self.root.display()))
    }

    fn path(&self, name: &str, key: &str) -> PathBuf {
        self.root.join(format!("{name}-{key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_is_made_once_and_a_failed_one_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path().join("cache")).unwrap();
        let write = async |into: &Path| Ok(std::fs::write(into.join("program"), "1")?);
        let fail = async |_: &Path| anyhow::bail!("must not be called");

        assert!(cache.ensure("part", "key", &|_: &str| (), fail).await.is_err());
        assert!(cache.find("part", "key").is_none());
        let made = cache.ensure("part", "key", &|_: &str| (), write).await.unwrap();
        assert!(made.join("program").is_file());
        assert_eq!(cache.ensure("part", "key", &|_: &str| (), fail).await.unwrap(), made);
        assert!(cache.ensure("part", "another", &|_: &str| (), fail).await.is_err());
    }

    #[tokio::test]
    async fn the_lock_clears_unfinished_work_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path().to_owned()).unwrap();
        std::fs::create_dir_all(root.path().join(".part-1/result")).unwrap();
        std::fs::create_dir_all(root.path().join("part-key")).unwrap();
        let _lock = cache.lock(&|_: &str| ()).await.unwrap();
        assert!(!root.path().join(".part-1").exists());
        assert!(cache.find("part", "key").is_some());
    }
}
