//! The kubeconfig: found where kubectl finds it, and refused in one sentence that names the file.
use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use kube::config::{ExecInteractiveMode, Kubeconfig, KubeconfigError};

use crate::told::chain;

const WHAT_TO_DO: &str = "get one for the cluster, or leave --cluster away to have a throw-away cluster started";

/// The kubeconfig at `path`, or the usual one, and where it was found.
///
/// # Errors
/// One sentence: which file, what is wrong with it, what to do.
pub(super) fn read(path: Option<&Path>) -> Result<(Kubeconfig, String)> {
    let (mut kubeconfig, place) = match (path, std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty())) {
        (Some(path), _) => (read_file(path)?, path.display().to_string()),
        (None, Some(paths)) => (read_files(&paths)?, paths.display().to_string()),
        (None, None) => {
            let path = usual()?;
            (read_file(&path)?, path.display().to_string())
        }
    };
    for named in &mut kubeconfig.auth_infos {
        if let Some(plugin) = named.auth_info.as_mut().and_then(|auth_info| auth_info.exec.as_mut()) {
            // Nobody sits before a test run to answer; and what the plugin says belongs into our sentence.
            plugin.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
    Ok((kubeconfig, place))
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

/// As kubectl reads `$KUBECONFIG`: the files that are there, one after the other, what an earlier one says counts.
fn read_files(paths: &OsStr) -> Result<Kubeconfig> {
    let files: Vec<PathBuf> = std::env::split_paths(paths).filter(|path| path.exists()).collect();
    if files.is_empty() {
        bail!("no kubeconfig: $KUBECONFIG names {}, which does not exist; {WHAT_TO_DO}", paths.display());
    }
    files.iter().try_fold(Kubeconfig::default(), |merged, path| {
        merged.merge(read_file(path)?).map_err(|error| {
            anyhow!("the kubeconfig {} does not go together with those before it: {error}", path.display())
        })
    })
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
