//! The images that a node runs without a registry, as OCI archives made of nothing but files: the same files make the same
//! digest, which is how a pod names the pause image.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::process::Command;

use super::rootfs::{self, Made};
use super::{KUBERNETES, PAUSE, base_system, versions};
use crate::tool;

/// An archive and the names under which a node knows its image.
pub(super) struct Archive {
    pub(super) reference: String,
    /// Of its manifest.
    pub(super) digest: String,
    pub(super) path: PathBuf,
}

/// What goes into one image.
struct Recipe {
    reference: String,
    /// Where the program comes from, and where it is in the image.
    program: (PathBuf, &'static str),
    base: Option<PathBuf>,
    user: &'static str,
}

/// Writes every image of a node.
///
/// # Errors
/// When a program is missing or an archive cannot be written.
pub(super) async fn write_all(made: &Made, inputs: &Path, work: &Path) -> anyhow::Result<Vec<Archive>> {
    std::fs::create_dir_all(work)?;
    let net_layer = net_layer(inputs, work).await?;
    let mut archives = Vec::new();
    for (number, recipe) in recipes(made).into_iter().enumerate() {
        let directory = work.join(number.to_string());
        let layers = recipe.base.iter().cloned().chain(recipe.base.is_some().then(|| net_layer.clone())).collect();
        let archive = write(&recipe, layers, &directory).await;
        archives.push(archive.with_context(|| format!("the image {} cannot be written", recipe.reference))?);
    }
    Ok(archives)
}

fn recipes(made: &Made) -> Vec<Recipe> {
    let net = made.bases["net-base"].join("root.tar");
    let kubernetes = |name: &str, place, base| Recipe {
        reference: format!("registry.k8s.io/{name}:{KUBERNETES}"),
        program: (made.parts["kubernetes"].join(name), place),
        base,
        user: "0",
    };
    vec![
        kubernetes("kube-apiserver", "usr/local/bin/kube-apiserver", None),
        kubernetes("kube-controller-manager", "usr/local/bin/kube-controller-manager", None),
        kubernetes("kube-scheduler", "usr/local/bin/kube-scheduler", None),
        kubernetes("kube-proxy", "usr/local/bin/kube-proxy", Some(net.clone())),
        Recipe {
            reference: versions::KUBE_ROUTER.to_owned(),
            program: (made.parts["kube-router"].join("kube-router"), "usr/local/bin/kube-router"),
            base: Some(net),
            user: "0",
        },
        Recipe {
            reference: format!("registry.k8s.io/etcd:{}", versions::ETCD),
            program: (made.parts["etcd"].join("etcd"), "usr/local/bin/etcd"),
            base: None,
            user: "0",
        },
        Recipe {
            reference: format!("registry.k8s.io/coredns/coredns:{}", versions::COREDNS),
            program: (made.parts["coredns"].join("coredns"), "coredns"),
            base: None,
            // A low port needs no capability in a pod: containerd opens them all there.
            user: "65532:65532",
        },
        Recipe {
            reference: PAUSE.to_owned(),
            program: (made.pause.join("pause"), "pause"),
            base: None,
            // The published image's user: a pod may demand runAsNonRoot of it.
            user: "65535:65535",
        },
    ]
}

/// The packet filter tools' choice between their two back ends, as a layer above the Debian system.
async fn net_layer(inputs: &Path, work: &Path) -> anyhow::Result<PathBuf> {
    let root = work.join("net");
    let programs = root.join("usr/sbin");
    std::fs::create_dir_all(&programs)?;
    rootfs::install(&inputs.join("net-image/iptables-wrapper"), &programs.join("iptables-wrapper"), 0o755)?;
    for family in ["iptables", "ip6tables"] {
        for program in ["", "-save", "-restore"] {
            std::os::unix::fs::symlink("iptables-wrapper", programs.join(format!("{family}{program}")))?;
        }
    }
    let layer = work.join("net.tar");
    base_system::pack(&root, &layer).await?;
    Ok(layer)
}

async fn write(recipe: &Recipe, mut layers: Vec<PathBuf>, directory: &Path) -> anyhow::Result<Archive> {
    let (program, place) = &recipe.program;
    let root = directory.join("root");
    rootfs::install(program, &root.join(place), 0o755)?;
    let own = directory.join("layer.tar");
    base_system::pack(&root, &own).await?;
    layers.push(own);

    let image = directory.join("image");
    let blobs = image.join("blobs/sha256");
    std::fs::create_dir_all(&blobs)?;
    let mut described = Vec::new();
    for layer in &layers {
        described.push(layer_blob(layer, &blobs).await?);
    }
    let config = json!({
        "architecture": oci_architecture(),
        "os": "linux",
        "config": {
            "User": recipe.user,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": [format!("/{place}")],
            "WorkingDir": "/",
        },
        "rootfs": { "type": "layers", "diff_ids": described.iter().map(|layer| layer["digest"].clone()).collect::<Vec<_>>() },
    });
    let config = json_blob(&config, "application/vnd.oci.image.config.v1+json", &blobs).await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": described,
    });
    let mut manifest = json_blob(&manifest, "application/vnd.oci.image.manifest.v1+json", &blobs).await?;
    let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
    manifest["annotations"] = json!({ "io.containerd.image.name": recipe.reference });
    std::fs::write(image.join("index.json"), json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string())?;
    std::fs::write(image.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())?;

    let archive = directory.join("image.tar");
    base_system::pack(&image, &archive).await?;
    std::fs::remove_dir_all(&image)?;
    std::fs::remove_dir_all(&root)?;
    Ok(Archive { reference: recipe.reference.clone(), digest, path: archive })
}

/// Layers stay uncompressed: their digest is then their diff id, and a node unpacks them at disk speed.
async fn layer_blob(layer: &Path, blobs: &Path) -> anyhow::Result<Value> {
    let digest = sha256(layer).await?;
    let blob = blobs.join(&digest);
    // A link where the disk allows it: the shared Debian system is 150 MB.
    if std::fs::hard_link(layer, &blob).is_err() {
        std::fs::copy(layer, &blob)?;
    }
    Ok(json!({
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": format!("sha256:{digest}"),
        "size": std::fs::metadata(&blob)?.len(),
    }))
}

async fn json_blob(content: &Value, media_type: &str, blobs: &Path) -> anyhow::Result<Value> {
    let text = content.to_string();
    let new = blobs.join("new");
    std::fs::write(&new, &text)?;
    let digest = sha256(&new).await?;
    std::fs::rename(&new, blobs.join(&digest))?;
    Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": text.len() }))
}

/// A file's digest, by coreutils, as hundreds of megabytes take an unoptimised build of ours a minute.
pub(super) async fn sha256(file: &Path) -> anyhow::Result<String> {
    let said = tool::text(Command::new("sha256sum").arg("--binary").arg(file)).await?;
    Ok(said.split_whitespace().next().context("sha256sum says nothing")?.trim_start_matches('\\').to_owned())
}

pub(super) fn oci_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_program_makes_the_same_archive() {
        let work = tempfile::tempdir().unwrap();
        let program = work.path().join("program");
        std::fs::write(&program, "1").unwrap();
        let recipe =
            Recipe { reference: "x.example/y:1".to_owned(), program: (program.clone(), "y"), base: None, user: "1" };
        let first = write(&recipe, vec![], &work.path().join("a")).await.unwrap();
        let again = write(&recipe, vec![], &work.path().join("b")).await.unwrap();
        assert_eq!(first.digest, again.digest);
        assert!(std::fs::read(first.path).unwrap() == std::fs::read(again.path).unwrap());
        std::fs::write(&program, "2").unwrap();
        let other = write(&recipe, vec![], &work.path().join("c")).await.unwrap();
        assert_ne!(first.digest, other.digest);
    }
}
