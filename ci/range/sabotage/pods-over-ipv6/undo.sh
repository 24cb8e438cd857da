cd /etc/cni/net.d
jq -c '.plugins[0].ipam.ranges |= .[:1]' 10-kuberouter.conflist >/tmp/conflist
cat /tmp/conflist >10-kuberouter.conflist
while ip6tables -t nat -D POSTROUTING -s fd00:10:244::/64 -o eth0 -j MASQUERADE 2>/dev/null; do :; done
sysctl -q -w net.ipv6.conf.all.forwarding=0
