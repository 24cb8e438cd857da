//! The versions of Kubernetes that an API server can be had of, and what differs between them.

use std::path::{Path, PathBuf};

use crate::node_image::{self, GoPart};

/// One of them.
#[derive(Debug)]
pub struct Version {
    /// As people say it: `1.24`.
    pub name: &'static str,
    /// What its programs are built from, and below which folder of `ci/` that part's module lies.
    part: &'static GoPart,
    modules: &'static str,
    /// With what a hardened API server is started besides.
    pub(crate) plug_ins: &'static [&'static str],
    /// What a careful user applies to it: files, and folders of files, below `ci/`.
    hardening: &'static [&'static str],
}

/// From here on a range's hardening is taken whole: it is written in admission policies, which are served in v1 since 1.30.
const OF_A_RANGE: Version = Version {
    name: "",
    part: &node_image::KUBERNETES_1_34,
    modules: "",
    plug_ins: &[],
    hardening: &["range/hardened"],
};

/// The last that has PodSecurityPolicy, hardened with nothing else: what is denied there, it has denied.
pub(super) const BEFORE_1_25: Version = Version {
    name: "1.24",
    part: &node_image::KUBERNETES_1_24,
    modules: "before-1.25",
    plug_ins: &["--enable-admission-plugins=PodSecurityPolicy"],
    hardening: &["before-1.25/hardened"],
};

/// Those that the suite is held against, the oldest first.
pub static ALL: [Version; 4] = [
    Version {
        // It has no admission policies.
        plug_ins: &["--enable-admission-plugins=PodSecurityPolicy,DenyServiceExternalIPs"],
        // What a range has that this version takes, beside its own.
        hardening: &[
            "before-1.25/hardened",
            "versions/hardened-1.24",
            "range/hardened/00-namespaces.yaml",
            "range/hardened/10-network.yaml",
            "range/hardened/20-bounds.yaml",
            "range/hardened/40-roles.yaml",
        ],
        ..BEFORE_1_25
    },
    Version { name: "1.31", part: &node_image::KUBERNETES_1_31, modules: "versions", ..OF_A_RANGE },
    // A range's own.
    Version { name: "1.34", modules: "node-image", ..OF_A_RANGE },
    Version { name: "1.37", part: &node_image::KUBERNETES_1_37, modules: "versions", ..OF_A_RANGE },
];

impl Version {
    /// What its programs are built from, and where its module lies.
    pub(crate) fn part(&self) -> (&'static GoPart, PathBuf) {
        (self.part, below_ci(self.modules))
    }

    /// The files and folders of its hardening.
    pub(super) fn hardening(&self) -> Vec<PathBuf> {
        self.hardening.iter().map(|path| below_ci(path)).collect()
    }

    /// The number behind `1.`.
    pub fn minor(&self) -> u32 {
        let minor = self.name.strip_prefix("1.").and_then(|minor| minor.parse().ok());
        minor.expect("a version is `1.` and a number")
    }
}

fn below_ci(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_is_made_from_is_there() {
        for version in &ALL {
            for path in version.hardening() {
                assert!(path.exists(), "{}: {} is not there", version.name, path.display());
            }
        }
        assert!(ALL.is_sorted_by_key(Version::minor));
    }
}
