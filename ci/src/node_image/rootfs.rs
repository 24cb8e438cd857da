//! The node's file system, laid out as kind's own build does: kind's files, our programs, and what differs in the range.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::process::Command;

use super::fingerprint::files;
use super::{KUBERNETES, PAUSE, go_part, versions};
use crate::tool;

/// Where each made part is, by its name.
pub(super) struct Made {
    pub(super) parts: BTreeMap<&'static str, PathBuf>,
    pub(super) bases: BTreeMap<&'static str, PathBuf>,
    pub(super) pause: PathBuf,
}

/// Lays out everything but the images.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) async fn lay_out(made: &Made, inputs: &Path, root: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(root)?;
    let base = made.bases["node-base"].join("root.tar");
    tool::output(
        Command::new("tar")
            .args(["--extract", "--numeric-owner", "--preserve-permissions", "--file"])
            .arg(base)
            .arg("--directory")
            .arg(root),
    )
    .await?;

    let kind = go_part::source(inputs, "kind", "sigs.k8s.io/kind").await?.join("images/base/files");
    overlay(&kind, root, |name| name.starts_with("usr/local/bin") || name.starts_with("kind/bin"))?;
    let ours = inputs.join("files");
    overlay(&ours, root, |name| name.starts_with("usr/local/bin"))?;

    programs(made, root)?;
    containerd(made, root).await?;
    services(root)?;
    manifests(inputs, root)?;
    write(&root.join("kind/version"), KUBERNETES)?;
    std::fs::create_dir_all(root.join("etc/kubernetes/manifests"))?;
    Ok(())
}

/// Copies a file with a mode of its own: those of a module's files are read-only.
///
/// # Errors
/// When it cannot be read or written: which file.
pub(super) fn install(from: &Path, to: &Path, mode: u32) -> anyhow::Result<()> {
    if let Some(directory) = to.parent() {
        std::fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    }
    std::fs::copy(from, to).with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn overlay(from: &Path, root: &Path, is_program: impl Fn(&Path) -> bool) -> anyhow::Result<()> {
    for file in files(from)? {
        let name = file.strip_prefix(from)?;
        install(&file, &root.join(name), if is_program(name) { 0o755 } else { 0o644 })?;
    }
    Ok(())
}

fn programs(made: &Made, root: &Path) -> anyhow::Result<()> {
    let places = [
        ("kubernetes", "usr/bin", &["kubeadm", "kubelet", "kubectl"] as &[&str]),
        ("containerd", "usr/local/bin", &["containerd", "ctr", "containerd-shim-runc-v2"]),
        ("cni-plugins", "opt/cni/bin", &["loopback", "portmap", "host-local"]),
        ("calico", "opt/cni/bin", &["calico"]),
    ];
    for (part, place, programs) in places {
        for program in programs {
            install(&made.parts[part].join(program), &root.join(place).join(program), 0o755)?;
        }
    }
    Ok(())
}

/// As the kind image's build does: the sandbox image that kubeadm wants, and kind's hook in every container.
async fn containerd(made: &Made, root: &Path) -> anyhow::Result<()> {
    let path = root.join("etc/containerd/config.toml");
    let config = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    write(&path, &with_sandbox_image(&config)?)?;

    let spec = tool::text(Command::new(made.parts["containerd"].join("ctr")).args(["oci", "spec"])).await?;
    let mut spec: Value = serde_json::from_str(&spec).context("`ctr oci spec` says no JSON")?;
    spec["hooks"] = json!({ "createContainer": [{ "path": "/kind/bin/mount-product-files.sh" }] });
    if let Some(process) = spec["process"].as_object_mut() {
        process.remove("rlimits");
    }
    write(&root.join("etc/containerd/cri-base.json"), &spec.to_string())
}

fn with_sandbox_image(config: &str) -> anyhow::Result<String> {
    let line = config
        .lines()
        .find(|line| line.trim_start().starts_with("sandbox_image ="))
        .context("kind's containerd config names no sandbox image")?;
    Ok(config.replace(line, &format!("  sandbox_image = \"{PAUSE}\"")))
}

/// Only what a node needs starts in it, and nothing that would reach into this machine's kernel.
fn services(root: &Path) -> anyhow::Result<()> {
    let unwanted = |directory: &str, keep: fn(&str) -> bool| -> anyhow::Result<()> {
        let Ok(entries) = std::fs::read_dir(root.join(directory)) else { return Ok(()) };
        for entry in entries {
            let entry = entry?;
            if !keep(&entry.file_name().to_string_lossy()) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    unwanted("usr/lib/systemd/system/sysinit.target.wants", |name| name != "systemd-tmpfiles-setup.service")?;
    unwanted("usr/lib/systemd/system/multi-user.target.wants", |_| false)?;
    unwanted("usr/lib/systemd/system/local-fs.target.wants", |_| false)?;
    unwanted("usr/lib/systemd/system/basic.target.wants", |_| false)?;
    unwanted("usr/lib/systemd/system/sockets.target.wants", |name| {
        !name.contains("udev") && !name.contains("initctl")
    })?;
    let system = root.join("etc/systemd/system");
    for entry in std::fs::read_dir(&system)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wants") {
            std::fs::remove_dir_all(path)?;
        }
    }

    let wanted = system.join("multi-user.target.wants");
    std::fs::create_dir_all(&wanted)?;
    for service in ["kubelet.service", "containerd.service", "undo-mount-hacks.service"] {
        symlink(format!("/etc/systemd/system/{service}"), wanted.join(service))?;
    }
    // It would register programs in binfmt_misc, which all of the machine shares.
    symlink("/dev/null", system.join("systemd-binfmt.service"))?;

    let journal = root.join("etc/systemd/journald.conf");
    let text = std::fs::read_to_string(&journal).unwrap_or_default();
    write(&journal, &format!("{text}\nReadKMsg=no\n"))?;
    let init = root.join("usr/sbin/init");
    if init.symlink_metadata().is_err() {
        symlink("/usr/lib/systemd/systemd", init)?;
    }
    Ok(())
}

fn manifests(inputs: &Path, root: &Path) -> anyhow::Result<()> {
    for name in ["default-cni.yaml", "default-storage.yaml"] {
        let path = inputs.join("manifests").join(name);
        let manifest = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        write(&root.join("kind/manifests").join(name), &manifest.replace("@CALICO@", versions::CALICO))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sandbox_image_is_kubeadms() {
        let config = with_sandbox_image("a = 1\n  sandbox_image = \"registry.k8s.io/pause:3.10\"\nb = 2\n").unwrap();
        assert_eq!(config, format!("a = 1\n  sandbox_image = \"{PAUSE}\"\nb = 2\n"));
        assert!(with_sandbox_image("a = 1\n").is_err());
    }
}
