# Run in a node: waits for containerd, and fails where it runs without the part that Kubernetes talks to. It counts as active
# even then, and kubeadm would wait for minutes.
until systemctl is-active --quiet containerd; do sleep 0.1; done
if ! ctr plugins ls 2>/dev/null | grep -q 'grpc\.v1 .*cri .* ok'; then
  journalctl --unit containerd |
    sed -n 's/.*failed to load plugin" error="\([^"]*\)".*io\.containerd\.grpc\.v1\.cri.*/error: \1/p' >&2
  exit 1
fi
