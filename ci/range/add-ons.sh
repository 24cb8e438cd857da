# Run on the control plane as soon as its API answers, with the pods' subnets as argument, two on a range with both families of addresses,
# of which the plug-in must know then: the node image's network plug-in, and
# kubeadm's own CoreDNS with four changes. One replica is enough; it stays on the control plane, whichever node is ready first, for
# sabotages cut the workers from each other and must not cut names with them; it is asked every second whether it is ready, not every ten;
# and what is outside the cluster does not exist, for nothing in the range may ask a server outside it. That has a server block of its own:
# in one block, `template` would answer before `kubernetes` is asked.
set -e
export KUBECONFIG=/etc/kubernetes/super-admin.conf
{
  # Of IPv6 nothing leaves the nodes in their own name, so that the second subnet needs no pool.
  sed "s#{{ *\.PodSubnet *}}#${1%,*}#g" /kind/manifests/default-cni.yaml |
    case $1 in
      *,*) sed -e '/FELIX_IPV6SUPPORT/s/"false"/"true"/' -e 's/\[{ "subnet": "usePodCidr" }\]/&, [{ "subnet": "usePodCidrIPv6" }]/' ;;
      *) cat ;;
    esac
  # It begins with a document's dashes.
  kubeadm init phase addon coredns --config=/kind/kubeadm.conf --print-manifest |
    sed -e 's/replicas: 2/replicas: 1/' \
      -e '/nodeSelector:/a\        node-role.kubernetes.io/control-plane: ""' \
      -e '/readinessProbe:/a\          periodSeconds: 1' \
      -e '/forward \. /,/}/d' \
      -e 's/^    \.:53 {/    .:53 {\n        template ANY ANY {\n            rcode NXDOMAIN\n        }\n    }\n    cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {/' \
      -e '/resourceVersion: /d'
} | kubectl apply -f -
