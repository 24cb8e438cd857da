//! Programs built from Go modules, each pinned by a committed go.mod and go.sum.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tokio::process::Command;

use super::cache::Cache;
use super::compilation::Compilation;
use super::fingerprint::Fingerprint;
use crate::tool;

/// Some programs of one Go module.
#[derive(Debug)]
pub(crate) struct GoPart {
    /// Its directory below `modules`.
    pub(super) name: &'static str,
    packages: &'static [&'static str],
    tags: &'static str,
    ldflags: &'static str,
    /// What Go calls the program, and what it is called in the image.
    rename: Option<(&'static str, &'static str)>,
}

/// How `go list` is to name a package: one of another version of its module is another package.
pub(super) const IDENTITY: &str = "{{.ImportPath}} {{with .Module}}{{.Path}} {{with .Replace}}{{.Path}} {{.Version}}{{else}}{{.Version}}{{end}}{{end}}";

const PLAIN: GoPart = GoPart { name: "", packages: &[], tags: "", ldflags: "-s -w", rename: None };

/// What the node image's Kubernetes is.
pub(crate) const KUBERNETES_1_34: GoPart = GoPart {
    name: "kubernetes",
    packages: &[
        "k8s.io/kubernetes/cmd/kubeadm",
        "k8s.io/kubernetes/cmd/kubelet",
        "k8s.io/kubernetes/cmd/kubectl",
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-scheduler",
        "k8s.io/kubernetes/cmd/kube-proxy",
    ],
    // A module build knows no release; kubeadm and the kubelet compare versions with each other.
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4 \
              -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34",
    ..PLAIN
};

/// In the order in which they are started: the longest first.
pub(super) const PARTS: &[GoPart] = &[
    KUBERNETES_1_34,
    GoPart {
        name: "containerd",
        packages: &[
            "github.com/containerd/containerd/v2/cmd/containerd",
            "github.com/containerd/containerd/v2/cmd/ctr",
            "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        ],
        // Snapshotters that no node uses, and that need C libraries.
        tags: "no_btrfs no_devmapper no_zfs",
        ..PLAIN
    },
    GoPart { name: "coredns", packages: &["github.com/coredns/coredns"], ..PLAIN },
    GoPart {
        name: "calico",
        packages: &[
            "github.com/projectcalico/calico/felix/cmd/calico-felix",
            "github.com/projectcalico/calico/cni-plugin/cmd/calico",
        ],
        ..PLAIN
    },
    GoPart { name: "etcd", packages: &["go.etcd.io/etcd/server/v3"], rename: Some(("server", "etcd")), ..PLAIN },
    GoPart {
        name: "cni-plugins",
        packages: &[
            "github.com/containernetworking/plugins/plugins/main/loopback",
            "github.com/containernetworking/plugins/plugins/meta/portmap",
            "github.com/containernetworking/plugins/plugins/ipam/host-local",
        ],
        ..PLAIN
    },
    GoPart { name: "kind", packages: &["sigs.k8s.io/kind"], ..PLAIN },
];

/// An API server that still has PodSecurityPolicy. It is no part of an image of a node, and its module lies with what needs it.
pub(crate) const KUBERNETES_1_24: GoPart = GoPart {
    name: "kubernetes-1.24",
    packages: &[
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kubectl",
    ],
    // Without the clients of every cloud, a quarter of a gigabyte to load.
    tags: "providerless",
    // The aggregator in front of it answers for it, by client-go's version.
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.24.17 \
              -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=24 \
              -X k8s.io/client-go/pkg/version.gitVersion=v1.24.17 \
              -X k8s.io/client-go/pkg/version.gitMajor=1 -X k8s.io/client-go/pkg/version.gitMinor=24",
    ..PLAIN
};

/// What an API server without nodes is made of: with the range's own kubectl, and with no node image.
const WITHOUT_NODES: &[&str] =
    &["k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kube-controller-manager"];

/// An API server in which admission policies are two versions old, and that takes no field which came later.
pub(crate) const KUBERNETES_1_31: GoPart = GoPart {
    name: "kubernetes-1.31",
    packages: WITHOUT_NODES,
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.31.14 \
              -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=31",
    ..PLAIN
};

/// The newest.
pub(crate) const KUBERNETES_1_37: GoPart = GoPart {
    name: "kubernetes-1.37",
    packages: WITHOUT_NODES,
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
              -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37",
    ..PLAIN
};

/// A policy engine that runs on the range as pods: no part of the node image, and so not among [`PARTS`], which name it.
pub(super) const KYVERNO: GoPart =
    GoPart { name: "kyverno", packages: &["github.com/kyverno/kyverno/cmd/kyverno"], ..PLAIN };

/// Another one.
pub(super) const GATEKEEPER: GoPart =
    GoPart { name: "gatekeeper", packages: &["github.com/open-policy-agent/gatekeeper/v3"], ..PLAIN };

/// # Panics
/// When no part has that name.
pub(super) fn find(name: &str) -> &'static GoPart {
    PARTS.iter().find(|part| part.name == name).expect("a part of this name is listed")
}

/// # Errors
/// When there is no `go` to build with.
pub(super) fn require_toolchain() -> anyhow::Result<()> {
    if tool::exists("go") {
        return Ok(());
    }
    bail!(
        "the Go toolchain is missing and the parts of the node image are built from Go modules; install Go 1.24 or later, or use a machine whose Docker engine can pull kindest/node"
    )
}

impl GoPart {
    /// Changes with the module's pinned contents and with how it is built.
    ///
    /// # Errors
    /// When the module's directory cannot be read.
    pub(super) fn key(&self, inputs: &Path) -> anyhow::Result<String> {
        Ok(Fingerprint::new()
            .text(std::env::consts::ARCH)
            .text(&format!("{self:?}"))
            .tree(&self.module(inputs))?
            .finish())
    }

    /// The directory with the programs, built first where the cache has none.
    ///
    /// # Errors
    /// What `go build` says.
    pub(super) async fn ensure(
        &self,
        cache: &Cache,
        inputs: &Path,
        compilation: &Compilation<'_>,
    ) -> anyhow::Result<PathBuf> {
        let key = self.key(inputs)?;
        let build = async |into: &Path| self.build(&self.module(inputs), into, compilation).await;
        let made = cache.ensure(self.name, &key, compilation.tell, build).await?;
        compilation.ended(self.name);
        Ok(made)
    }

    /// Counts what there is to compile.
    ///
    /// # Errors
    /// What `go list` says; the build will say it, too.
    pub(super) async fn count(&self, inputs: &Path, compilation: &Compilation<'_>) -> anyhow::Result<()> {
        let mut go = go(&self.module(inputs));
        go.args(["list", "-mod=readonly", "-deps", "-tags", self.tags, "-f", IDENTITY]).args(self.packages);
        let listed = tool::output_heard(&mut go, |line| compilation.hears(self.name, line)).await?;
        compilation.counted(self.name, &String::from_utf8_lossy(&listed.stdout), self.packages.len());
        Ok(())
    }

    async fn build(&self, module: &Path, into: &Path, compilation: &Compilation<'_>) -> anyhow::Result<()> {
        require_toolchain()?;
        let mut go = go(module);
        go.args([
            "build",
            // Names each package as it gets to it.
            "-v",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-tags",
            self.tags,
            "-ldflags",
            self.ldflags,
            "-o",
        ]);
        // The slash makes it a directory even for a single program.
        go.arg(format!("{}/", into.display())).args(self.packages);
        tool::output_heard(&mut go, |line| compilation.hears(self.name, line)).await?;
        if let Some((built, wanted)) = self.rename {
            std::fs::rename(into.join(built), into.join(wanted)).with_context(|| format!("{built} was not built"))?;
        }
        Ok(())
    }

    /// Whether that program is among its own.
    pub(super) fn builds(&self, program: &str) -> bool {
        self.packages.iter().any(|package| package.rsplit('/').next() == Some(program))
    }

    /// Where its go.mod lies.
    pub(crate) fn module(&self, inputs: &Path) -> PathBuf {
        inputs.join("modules").join(self.name)
    }
}

/// The directory of a module's source, downloaded first where it is not there.
///
/// # Errors
/// When it cannot be downloaded.
pub(super) async fn source(inputs: &Path, part: &str, module: &str) -> anyhow::Result<PathBuf> {
    let directory = inputs.join("modules").join(part);
    // -json: the plain form prints nothing of where it put it.
    let answer = tool::text(go(&directory).args(["mod", "download", "-json", module])).await?;
    let answer: serde_json::Value =
        serde_json::from_str(&answer).with_context(|| format!("go says no JSON about {module}"))?;
    let directory = answer["Dir"].as_str().with_context(|| format!("go does not say where {module} is"))?;
    Ok(PathBuf::from(directory))
}

fn go(module: &Path) -> Command {
    let mut go = Command::new("go");
    // No C: the programs must run in images that hold nothing else.
    go.current_dir(module).env("CGO_ENABLED", "0").env_remove("GOFLAGS").env("GOWORK", "off");
    go
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_server::Version;

    #[test]
    fn every_part_is_pinned() {
        let parts = PARTS.iter().map(|part| (part, super::super::inputs()));
        let without_nodes = crate::api_server::ALL.iter().map(Version::part);
        let engines = [&KYVERNO, &GATEKEEPER].map(|part| (part, super::super::engines()));
        for (part, inputs) in parts.chain(engines).chain(without_nodes) {
            for file in ["go.mod", "go.sum"] {
                assert!(part.module(&inputs).join(file).is_file(), "{} has no {file}", part.name);
            }
        }
    }

    #[test]
    fn the_key_changes_with_the_pins_and_with_the_recipe() {
        let inputs = tempfile::tempdir().unwrap();
        let module = inputs.path().join("modules/x");
        std::fs::create_dir_all(&module).unwrap();
        std::fs::write(module.join("go.mod"), "module x").unwrap();
        let part = GoPart { name: "x", ..PLAIN };
        let first = part.key(inputs.path()).unwrap();
        assert_ne!(GoPart { name: "x", tags: "netgo", ..PLAIN }.key(inputs.path()).unwrap(), first);
        std::fs::write(module.join("go.sum"), "").unwrap();
        assert_ne!(part.key(inputs.path()).unwrap(), first);
    }
}
