//! The kubeconfig: found where kubectl finds it, and refused in one sentence that names the file.
use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use kube::config::{ExecInteractiveMode, Kubeconfig, KubeconfigError};
use serde::Serialize;
use serde_json::Value;

use crate::told::chain;

const WHAT_TO_DO: &str = "get one for the cluster, or leave --cluster away to have a throw-away cluster started";

/// Kubeconfigs, merged.
pub(super) struct Read {
    /// What they say together.
    pub(super) merged: Kubeconfig,
    files: Vec<(PathBuf, Kubeconfig)>,
}

/// The kubeconfig at `path`, or the usual one; relative paths of `$KUBECONFIG` are meant from `here`.
///
/// # Errors
/// One sentence: which file, what is wrong with it, what to do.
pub(super) fn read(path: Option<&Path>, here: &Path) -> Result<Read> {
    let paths = match (path, std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty())) {
        (Some(path), _) => vec![path.to_owned()],
        (None, Some(paths)) => existing(&paths, here)?,
        (None, None) => vec![usual()?],
    };
    let files = paths.into_iter().map(|path| Ok((path.clone(), read_file(&path)?))).collect::<Result<Vec<_>>>()?;
    let mut merged = files.iter().try_fold(Kubeconfig::default(), |merged, (path, file)| {
        merged.merge(file.clone()).map_err(|error| {
            anyhow!("the kubeconfig {} does not go together with those before it: {error}", path.display())
        })
    })?;
    for named in &mut merged.auth_infos {
        if let Some(plugin) = named.auth_info.as_mut().and_then(|auth_info| auth_info.exec.as_mut()) {
            // Nobody sits before a test run to answer; and what the plugin says belongs into our sentence.
            plugin.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
    Ok(Read { merged, files })
}

impl Read {
    /// The file that `context` counts from, or all of them where none has it.
    pub(super) fn place(&self, context: &str) -> String {
        let all = || std::env::join_paths(self.files.iter().map(|(path, _)| path)).unwrap_or_default();
        let of = self.files.iter().find(|(_, file)| file.contexts.iter().any(|named| named.name == context));
        of.map_or_else(|| all().display().to_string(), |(path, _)| path.display().to_string())
    }

    /// What of `context` another file's entry of the same name stands in the way of: the first file wins, and a cluster may be asked with the
    /// credential for another one. `None` where everything is of one file, or says the same.
    pub(super) fn hidden(&self, context: &str) -> Option<String> {
        let (own, named, found) = self.files.iter().find_map(|(path, file)| {
            let named = file.contexts.iter().find(|named| named.name == context)?;
            Some((path, file, named.context.as_ref()?))
        })?;
        let cluster = |file: &Kubeconfig| entry(&file.clusters, |named| named.name == found.cluster);
        let user = |file: &Kubeconfig| entry(&file.auth_infos, |named| Some(&named.name) == found.user.as_ref());
        let winner = |of: &dyn Fn(&Kubeconfig) -> Option<Value>| {
            let (path, wins) = self.files.iter().find_map(|(path, file)| Some((path, of(file)?)))?;
            (of(named)? != wins).then_some(path)
        };
        let user_name = found.user.as_deref().unwrap_or_default();
        let own = own.display();
        let (cluster, user) = (winner(&cluster), winner(&user));
        let of_cluster = |path: &PathBuf| format!("its cluster {} is that of {}", found.cluster, path.display());
        let of_user = |path: &PathBuf| format!("its user {user_name} is that of {}", path.display());
        let lost: Vec<String> = cluster.map(of_cluster).into_iter().chain(user.map(of_user)).collect();
        if !lost.is_empty() {
            let lost = lost.join(" and ");
            return Some(format!(
                "of files in $KUBECONFIG the first wins: context {context} stands in {own}, but {lost}, which comes before; rename one of the two, or set $KUBECONFIG to {own} alone"
            ));
        }
        let mut having = self.files.iter().filter(|(_, file)| file.contexts.iter().any(|named| named.name == context));
        let meant = having.nth(1)?.0.display();
        Some(format!(
            "of files in $KUBECONFIG the first wins: {meant} has a context {context} as well, which {own} hides; if that one is meant, rename it, or set $KUBECONFIG to {meant} alone"
        ))
    }
}

/// The first entry that `is_it`, without what only its form says.
fn entry<T: Serialize>(entries: &[T], is_it: impl Fn(&T) -> bool) -> Option<Value> {
    entries.iter().find(|entry| is_it(entry)).and_then(|entry| serde_json::to_value(entry).ok())
}

fn usual() -> Result<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home.context("no kubeconfig: neither $KUBECONFIG nor $HOME is set; set one of them")?;
    let path = Path::new(&home).join(".kube").join("config");
    if !path.exists() {
        bail!("no kubeconfig: $KUBECONFIG is not set and {} does not exist; {WHAT_TO_DO}", path.display());
    }
    Ok(path)
}

/// The files of `$KUBECONFIG` that are there: kubectl passes over the others, and over empty names.
fn existing(paths: &OsStr, here: &Path) -> Result<Vec<PathBuf>> {
    let named = std::env::split_paths(paths).filter(|path| !path.as_os_str().is_empty()).map(|path| here.join(path));
    // One that cannot be looked for is no missing one: reading it says why.
    let files: Vec<PathBuf> = named.filter(|path| path.try_exists().unwrap_or(true)).collect();
    if files.is_empty() {
        bail!("no kubeconfig: $KUBECONFIG names {}, which does not exist; {WHAT_TO_DO}", paths.display());
    }
    Ok(files)
}

fn read_file(path: &Path) -> Result<Kubeconfig> {
    Kubeconfig::read_from(path).map_err(|error| {
        let why = match &error {
            KubeconfigError::ReadConfig(cause, _) => cause.to_string(),
            // Behind its first line the YAML reader draws the place.
            KubeconfigError::Parse(cause) => {
                cause.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
            other => chain(other as &dyn Error),
        };
        anyhow!("the kubeconfig {} cannot be read: {why}; mend it, or name another with $KUBECONFIG", path.display())
    })
}
