//! The images that a node runs without a registry, as OCI archives made of nothing but files: the same files make the same
//! digest, which is how a pod names the pause image.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::process::Command;

use super::rootfs::{self, Made};
use super::{KUBERNETES, PAUSE, base_system, versions};
use crate::tool;

/// One archive with every image of a node: what several of them share is in it once.
pub(super) struct Archive {
    pub(super) path: PathBuf,
    pub(super) images: Vec<Image>,
}

/// The names under which a node knows an image.
pub(super) struct Image {
    pub(super) reference: String,
    /// Of its manifest.
    pub(super) digest: String,
}

/// What goes into one image.
struct Recipe {
    reference: String,
    /// Where the program comes from, and where it is in the image.
    program: (PathBuf, &'static str),
    needs_net: bool,
    user: &'static str,
}

/// Writes every image of a node.
///
/// # Errors
/// When a program is missing or the archive cannot be written.
pub(super) async fn write_all(made: &Made, inputs: &Path, work: &Path) -> anyhow::Result<Archive> {
    let blobs = work.join("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs)?;
    let base = layer_blob(&made.bases["net-base"].join("root.tar"), &blobs).await?;
    let choice = layer_blob(&net_layer(inputs, work).await?, &blobs).await?;
    write(&recipes(made), &[base, choice], work).await
}

fn recipes(made: &Made) -> Vec<Recipe> {
    let kubernetes = |name: &str, place, needs_net| Recipe {
        reference: format!("registry.k8s.io/{name}:{KUBERNETES}"),
        program: (made.parts["kubernetes"].join(name), place),
        needs_net,
        user: "0",
    };
    vec![
        kubernetes("kube-apiserver", "usr/local/bin/kube-apiserver", false),
        kubernetes("kube-controller-manager", "usr/local/bin/kube-controller-manager", false),
        kubernetes("kube-scheduler", "usr/local/bin/kube-scheduler", false),
        kubernetes("kube-proxy", "usr/local/bin/kube-proxy", true),
        Recipe {
            reference: versions::CALICO.to_owned(),
            program: (made.parts["calico"].join("calico-felix"), "usr/local/bin/calico-felix"),
            needs_net: true,
            user: "0",
        },
        Recipe {
            reference: format!("registry.k8s.io/etcd:{}", versions::ETCD),
            program: (made.parts["etcd"].join("etcd"), "usr/local/bin/etcd"),
            needs_net: false,
            user: "0",
        },
        Recipe {
            reference: format!("registry.k8s.io/coredns/coredns:{}", versions::COREDNS),
            program: (made.parts["coredns"].join("coredns"), "coredns"),
            needs_net: false,
            // A low port needs no capability in a pod: containerd opens them all there.
            user: "65532:65532",
        },
        Recipe {
            reference: PAUSE.to_owned(),
            program: (made.pause.join("pause"), "pause"),
            needs_net: false,
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

async fn write(recipes: &[Recipe], net: &[Value], work: &Path) -> anyhow::Result<Archive> {
    let layout = work.join("layout");
    std::fs::create_dir_all(layout.join("blobs/sha256"))?;
    let mut manifests = Vec::new();
    let mut images = Vec::new();
    for (number, recipe) in recipes.iter().enumerate() {
        let below = if recipe.needs_net { net } else { &[] };
        let mut manifest = add(recipe, below, &work.join(number.to_string()), &layout.join("blobs/sha256"))
            .await
            .with_context(|| format!("the image {} cannot be written", recipe.reference))?;
        let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
        images.push(Image { reference: recipe.reference.clone(), digest });
        manifest["annotations"] = json!({ "io.containerd.image.name": recipe.reference });
        manifests.push(manifest);
    }
    let index = json!({ "schemaVersion": 2, "manifests": manifests });
    std::fs::write(layout.join("index.json"), index.to_string())?;
    std::fs::write(layout.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())?;
    let path = work.join("images.tar");
    base_system::pack(&layout, &path).await?;
    Ok(Archive { path, images })
}

/// Adds an image's blobs, and describes its manifest.
async fn add(recipe: &Recipe, below: &[Value], work: &Path, blobs: &Path) -> anyhow::Result<Value> {
    let (program, place) = &recipe.program;
    let root = work.join("root");
    rootfs::install(program, &root.join(place), 0o755)?;
    let own = work.join("layer.tar");
    base_system::pack(&root, &own).await?;
    let mut layers = below.to_vec();
    layers.push(layer_blob(&own, blobs).await?);
    let config = json!({
        "architecture": oci_architecture(),
        "os": "linux",
        "config": {
            "User": recipe.user,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": [format!("/{place}")],
            "WorkingDir": "/",
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": layers.iter().map(|layer| layer["digest"].clone()).collect::<Vec<_>>(),
        },
    });
    let config = json_blob(&config, "application/vnd.oci.image.config.v1+json", blobs).await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": layers,
    });
    json_blob(&manifest, "application/vnd.oci.image.manifest.v1+json", blobs).await
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

    async fn archive(program: &str) -> (String, Vec<u8>) {
        let work = tempfile::tempdir().unwrap();
        let path = work.path().join("program");
        std::fs::write(&path, program).unwrap();
        let reference = "x.example/y:1".to_owned();
        let recipe = Recipe { reference, program: (path, "y"), needs_net: false, user: "1" };
        let archive = write(&[recipe], &[], work.path()).await.unwrap();
        (archive.images[0].digest.clone(), std::fs::read(archive.path).unwrap())
    }

    #[tokio::test]
    async fn the_same_program_makes_the_same_archive() {
        let (digest, content) = archive("1").await;
        assert!(archive("1").await == (digest.clone(), content));
        assert_ne!(archive("2").await.0, digest);
    }
}
