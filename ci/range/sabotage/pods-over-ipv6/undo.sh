cd /etc/cni/net.d
jq -c '.plugins[0].ipam.ranges |= .[:1]' 10-calico.conflist >/tmp/conflist
cat /tmp/conflist >10-calico.conflist
ip6tables -t nat -S POSTROUTING | sed -n '/fd00:10:244::/s/^-A/-D/p' | while read -r rule; do
  ip6tables -t nat $rule
done
sysctl -q -w net.ipv6.conf.all.forwarding=0
