# As flannel makes it (pkg/backend/vxlan), with the address that it has there and with what it writes on its node. Nothing is routed
# through it, so that sources, whose way back flannel's own would be, are on another interface: that is let pass.
kubectl="kubectl --kubeconfig=/etc/kubernetes/kubelet.conf"
node=$(hostname)
mac=0a:58:00:00:00:01
pods=$($kubectl get node "$node" --output=jsonpath='{.spec.podCIDR}')
ip link add flannel.1 type vxlan id 1 dev eth0 dstport 8472 nolearning
ip address add "${pods%/*}/32" dev flannel.1
ip link set flannel.1 address "$mac" up
echo 2 > /proc/sys/net/ipv4/conf/flannel.1/rp_filter
$kubectl annotate --overwrite node "$node" flannel.alpha.coreos.com/backend-data="{\"VNI\":1,\"VtepMAC\":\"$mac\"}"
