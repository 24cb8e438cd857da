//! The image of everything in a cluster below 1.25: four static programs on nothing.

use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::data_dir;
use crate::node_image;
use crate::progress::Tell;
use crate::tool;

const REPOSITORY: &str = "oke-conformance/old-api-server";

/// Reference of an image that the local Docker engine has, building it first where it has none.
///
/// # Errors
/// When a program cannot be built or the engine does not take the image.
pub(super) async fn ensure(tell: &dyn Tell) -> Result<String> {
    let (programs, key) = node_image::before_1_25(&data_dir(), tell).await?;
    let reference = format!("{REPOSITORY}:{key}");
    if tool::output(Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", &reference])).await.is_ok()
    {
        return Ok(reference);
    }
    let archive = tokio::task::spawn_blocking(move || archive(&programs)).await??;
    // Where kubectl, called by name, is to be found.
    let mut import = Command::new("docker");
    import.args(["import", "--change", "ENV PATH=/"]).arg(archive.path()).arg(&reference);
    tool::output(&mut import).await.context("the Docker engine does not take the old API server's image")?;
    Ok(reference)
}

/// The image's whole file system.
fn archive(programs: &[(&str, PathBuf)]) -> Result<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new().context("no temporary file can be made")?;
    let mut archive = tar::Builder::new(file);
    for (name, path) in programs {
        archive.append_path_with_name(path, name).with_context(|| format!("{} cannot be packed", path.display()))?;
    }
    Ok(archive.into_inner()?)
}
