//! Small Debian systems: the node's own, and the one below the images that change packet filters.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::cache::Cache;
use super::fingerprint::Fingerprint;
use crate::progress::Tell;
use crate::tool;

/// The release whose systemd still runs on cgroup v1.
const RELEASE: &str = "bookworm";

/// Changes to fetch the packages anew: Debian's security updates change no name here.
const FETCHED: &str = "2026-11";

/// A Debian system of some packages and what they need.
#[derive(Debug)]
pub(super) struct BaseSystem {
    pub(super) name: &'static str,
    packages: &'static [&'static str],
}

pub(super) const ALL: &[BaseSystem] = &[
    BaseSystem {
        name: "node-base",
        packages: &[
            "systemd",
            "runc",
            "libseccomp2",
            "conntrack",
            "iptables",
            "nftables",
            "ipset",
            "iproute2",
            "ethtool",
            "socat",
            "kmod",
            "mount",
            "util-linux",
            "procps",
            "hostname",
            "ca-certificates",
            "curl",
            "jq",
        ],
    },
    BaseSystem { name: "net-base", packages: &["conntrack", "iptables", "nftables", "ipset", "iproute2", "kmod"] },
];

impl BaseSystem {
    /// The directory with the system as `root.tar`, made first where the cache has none.
    ///
    /// # Errors
    /// What debootstrap says.
    pub(super) async fn ensure(&self, cache: &Cache, tell: &dyn Tell) -> anyhow::Result<PathBuf> {
        cache.ensure(self.name, &self.key(), tell, async |into: &Path| self.make(into).await).await
    }

    pub(super) fn is_made(&self, cache: &Cache) -> bool {
        cache.find(self.name, &self.key()).is_some()
    }

    fn key(&self) -> String {
        Fingerprint::new().text(std::env::consts::ARCH).text(&format!("{RELEASE} {FETCHED} {self:?}")).finish()
    }

    async fn make(&self, into: &Path) -> anyhow::Result<()> {
        let root = into.join("root");
        // Its own mount namespace: whatever happens, no /proc stays mounted in a directory that is deleted next.
        let mut debootstrap = Command::new("unshare");
        debootstrap.args(["--mount", "debootstrap", "--variant=minbase"]);
        debootstrap.arg(format!("--include={}", self.packages.join(","))).arg(RELEASE).arg(&root);
        tool::output(&mut debootstrap).await?;
        strip(&root).await?;
        pack(&root, &into.join("root.tar")).await?;
        std::fs::remove_dir_all(&root)?;
        Ok(())
    }
}

/// What no container needs, and what debootstrap took over from this machine.
async fn strip(root: &Path) -> anyhow::Result<()> {
    let mut remove = Command::new("sh");
    remove.current_dir(root).args([
        "-euc",
        "rm -rf debootstrap var/cache/apt/* var/lib/apt/lists/* var/log/* usr/share/doc/* usr/share/man/* usr/share/locale/* usr/share/info/*
         rm -f etc/hostname etc/resolv.conf etc/machine-id
         find dev proc sys run tmp -mindepth 1 -delete",
    ]);
    tool::output(&mut remove).await?;
    Ok(())
}

/// Packs a directory so that the same files make the same archive.
///
/// # Errors
/// What tar says.
pub(super) async fn pack(root: &Path, archive: &Path) -> anyhow::Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--mtime=@0", "--numeric-owner", "--file"]);
    tool::output(tar.arg(archive).arg("--directory").arg(root).arg(".")).await?;
    Ok(())
}
