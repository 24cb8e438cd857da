//! Manifests as they lie in `ci/range/`, and what stands for this one range in them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::kubectl::Kubectl;
use super::names::Names;
use super::template::{placeholders, render};

const PAUSE: &str = "registry.k8s.io/pause";

/// `ci/range/` in the source tree: manifests are read when they are applied, so that an edit needs no build.
pub(crate) fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("range")
}

/// The `.yaml` files directly in a directory, by name; none when there is no such directory. A file is itself.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn read_all(dir: &Path) -> Result<Vec<(String, String)>> {
    let paths = if dir.is_file() { vec![dir.to_owned()] } else { in_folder(dir) };
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok((path.display().to_string(), text))
    };
    paths.into_iter().map(read).collect()
}

fn in_folder(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

/// Fills the placeholders of a manifest: `{{CONTROL_PLANE}}`, `{{WORKER}}`, `{{WORKER2}}`, `{{PAUSE_IMAGE}}` (by digest,
/// as the nodes have it) and `{{AGENT_BASE64}}`.
///
/// # Errors
/// When a placeholder is unknown, or its value cannot be had.
pub(crate) async fn fill(kubectl: &Kubectl, names: &Names, what: &str, text: &str) -> Result<String> {
    let mut values: Vec<(&str, String)> = Vec::new();
    let [worker, worker2] = names.workers();
    let asked: Vec<_> = placeholders(text).collect();
    for name in ["CONTROL_PLANE", "WORKER", "WORKER2", "PAUSE_IMAGE", "AGENT_BASE64"] {
        if !asked.contains(&name) {
            continue;
        }
        let value = match name {
            "CONTROL_PLANE" => names.control_plane(),
            "WORKER" => worker.clone(),
            "WORKER2" => worker2.clone(),
            "PAUSE_IMAGE" => pause_image(kubectl).await?,
            _ => agent_base64()?,
        };
        values.push((name, value));
    }
    let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    render(what, text, &values)
}

async fn pause_image(kubectl: &Kubectl) -> Result<String> {
    let images = kubectl.run(&["get", "nodes", "-o", "jsonpath={.items[*].status.images[*].names[*]}"]).await?;
    by_digest(&images, PAUSE).map(str::to_owned).context("no node lists a pause image by digest")
}

fn by_digest<'a>(images: &'a str, name: &str) -> Option<&'a str> {
    images.split_whitespace().find(|image| image.split_once("@sha256:").is_some_and(|(found, _)| found == name))
}

fn agent_base64() -> Result<String> {
    // The probes' own agent stands in for a service on its real port.
    let agent =
        harness::probe::agent::binary(GOARCH).with_context(|| format!("this build has no agent for {GOARCH}"))?;
    Ok(BASE64_STANDARD.encode(agent))
}

/// The range's nodes are containers of this machine.
const GOARCH: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_taken_by_digest_and_whole_name() {
        let images =
            "registry.k8s.io/pause:3.10 example.com/registry.k8s.io/pause@sha256:1 registry.k8s.io/pause@sha256:2";
        assert_eq!(by_digest(images, PAUSE), Some("registry.k8s.io/pause@sha256:2"));
        assert_eq!(by_digest("registry.k8s.io/pause:3.10", PAUSE), None);
    }

    #[test]
    fn manifests_come_in_the_order_of_their_names() {
        let dir = std::env::temp_dir().join(format!("oke-conformance-manifests-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        for name in ["20-b.yaml", "10-a.yaml", "README.md"] {
            fs::write(dir.join(name), name).unwrap();
        }
        let texts: Vec<_> = read_all(&dir).unwrap().into_iter().map(|(_, text)| text).collect();
        assert_eq!(read_all(&dir.join("20-b.yaml")).unwrap().len(), 1);
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(texts, ["10-a.yaml", "20-b.yaml"]);
        assert!(read_all(&dir).unwrap().is_empty());
    }
}
