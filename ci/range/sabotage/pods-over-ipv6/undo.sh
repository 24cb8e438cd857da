cd /etc/cni/net.d
jq -c '.plugins[0].ipam.ranges |= .[:1]' 10-kuberouter.conflist >/tmp/conflist
cat /tmp/conflist >10-kuberouter.conflist
ip6tables -t nat -S POSTROUTING | sed -n '/fd00:10:244::/s/^-A/-D/p' | while read -r rule; do
  ip6tables -t nat $rule
done
# The gateway of pods that are gone: as a source of the node's own packets it would be in the way.
ip -6 address flush dev kube-bridge scope global
sysctl -q -w net.ipv6.conf.all.forwarding=0
