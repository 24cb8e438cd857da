//! The image of everything in a cluster without nodes: four static programs on nothing.

use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::Version;
use crate::node_image;
use crate::program_image::present;
use crate::progress::Tell;
use crate::tool;

const REPOSITORY: &str = "oke-conformance/api-server";

/// Reference of an image that the local Docker engine has, building it first where it has none.
///
/// # Errors
/// When a program cannot be built or the engine does not take the image.
pub(super) async fn ensure(version: &Version, tell: &dyn Tell) -> Result<String> {
    let (part, modules) = version.part();
    let (programs, key) = node_image::without_nodes(part, &modules, tell).await?;
    let reference = format!("{REPOSITORY}:{key}");
    if present(&reference).await {
        return Ok(reference);
    }
    let archive = tokio::task::spawn_blocking(move || archive(&programs)).await??;
    // Where kubectl, called by name, is to be found.
    let mut import = Command::new("docker");
    import.args(["import", "--change", "ENV PATH=/"]).arg(archive.path()).arg(&reference);
    tool::output(&mut import).await.context("the Docker engine does not take the API server's image")?;
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
