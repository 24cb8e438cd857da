//! The versions that must agree with each other; the Go modules' own versions are in `node-image/modules/*/go.mod`.

/// Of every Kubernetes component, and of `kubeadm init`.
pub const KUBERNETES: &str = "v1.34.4";

/// The tags below are those that `kubeadm config images list` of that version asks for, and of what is built.
pub(super) const ETCD: &str = "3.6.5-0";
pub(super) const COREDNS: &str = "v1.12.1";

/// The pause image under which every sandbox of a built node runs; the node knows it by digest as well.
pub const PAUSE: &str = "registry.k8s.io/pause:3.10.1";

/// Not one of kubeadm's: the network policy engine, named as the CNI manifest names it; the tag is the branch and the commit that its module is.
pub(super) const CALICO: &str = "docker.io/calico/node:v3.28-a0db560f0520";
