ip link del flannel.1 2>/dev/null || true
kubectl --kubeconfig=/etc/kubernetes/kubelet.conf annotate node "$(hostname)" flannel.alpha.coreos.com/backend-data-
