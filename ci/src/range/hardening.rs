//! What a careful user of OKE applies, applied: `ci/range/hardened/*.yaml`.

use anyhow::{Context, Result};

use super::kubectl::{Kubectl, Object};
use super::manifests::{data_dir, fill, read_all};
use super::names::Names;

/// Long enough for a pod whose image every node has.
const READY_SECONDS: u32 = 60;

/// Applies the hardening and returns what it consists of.
///
/// # Errors
/// When a manifest cannot be read or is refused; the error names the file.
pub(crate) async fn apply(kubectl: &Kubectl, names: &Names) -> Result<Vec<Object>> {
    let mut hardened = Vec::new();
    // A file at a time, so that a refusal can be laid at its file's door.
    for (file, text) in read_all(&data_dir().join("hardened"))? {
        let manifests = fill(kubectl, names, &file, &text).await?;
        let objects = kubectl.apply(&manifests).await.with_context(|| format!("{file} cannot be applied"))?;
        hardened.extend(objects);
    }
    kubectl.wait_for(&hardened, READY_SECONDS).await?;
    Ok(hardened)
}
