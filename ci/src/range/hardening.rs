//! What a careful user of OKE applies, applied: `ci/range/hardened/*.yaml`.

use std::path::Path;

use anyhow::{Context, Result};

use super::kubectl::{Kubectl, Object};
use super::manifests::{fill, read_all};
use super::names::Names;

/// Long enough for a pod whose image every node has.
const READY_SECONDS: u32 = 60;

/// Applies the hardening of a directory and returns what it consists of.
///
/// # Errors
/// When a manifest cannot be read or is refused; the error names the file.
pub(crate) async fn apply(kubectl: &Kubectl, names: &Names, dir: &Path) -> Result<Vec<Object>> {
    apply_all(kubectl, names, &[dir]).await
}

/// ... of several directories, or single files, in that order.
///
/// # Errors
/// As [`apply`].
pub(crate) async fn apply_all(kubectl: &Kubectl, names: &Names, paths: &[impl AsRef<Path>]) -> Result<Vec<Object>> {
    let mut files = Vec::new();
    for path in paths {
        for (file, text) in read_all(path.as_ref())? {
            let manifests = fill(kubectl, names, &file, &text).await?;
            files.push((file, manifests));
        }
    }
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let all = files.iter().map(|(_, manifests)| manifests.as_str()).collect::<Vec<_>>().join("\n---\n");
    let hardened = match kubectl.apply(&all).await {
        Ok(hardened) => hardened,
        // A file at a time takes longer, and lays the refusal at its file's door.
        Err(_) => one_by_one(kubectl, &files).await?,
    };
    kubectl.wait_for(&hardened, READY_SECONDS).await?;
    Ok(hardened)
}

async fn one_by_one(kubectl: &Kubectl, files: &[(String, String)]) -> Result<Vec<Object>> {
    let mut hardened = Vec::new();
    for (file, manifests) in files {
        hardened.extend(kubectl.apply(manifests).await.with_context(|| format!("{file} cannot be applied"))?);
    }
    Ok(hardened)
}
