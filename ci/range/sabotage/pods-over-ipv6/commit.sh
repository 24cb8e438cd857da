# As on a cluster that was given IPv6 and kept policies for IPv4. What leaves a node has the node's address.
sysctl -q -w net.ipv6.conf.all.forwarding=1
ip6tables -t nat -I POSTROUTING -s fd00:10:244::/64 -o eth0 -j MASQUERADE
cd /etc/cni/net.d
jq -c '.plugins[0].ipam.ranges += [[{ "subnet": "fd00:10:244::/64" }]]' 10-kuberouter.conflist >/tmp/conflist
cat /tmp/conflist >10-kuberouter.conflist
