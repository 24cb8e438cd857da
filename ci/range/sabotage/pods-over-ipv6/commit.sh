# As on a cluster that was given IPv6 and kept policies for IPv4. What leaves a node has the node's address, link-local as it is: the
# metadata service is on the nodes' own link, and knows of nothing beyond.
sysctl -q -w net.ipv6.conf.all.forwarding=1
node=$(ip -6 -o address show dev eth0 scope link | sed 's/.*inet6 \([^/]*\).*/\1/')
ip6tables -t nat -I POSTROUTING -s fd00:10:244::/64 -o eth0 -j SNAT --to-source "$node"
cd /etc/cni/net.d
jq -c '.plugins[0].ipam.ranges += [[{ "subnet": "fd00:10:244::/64" }]]' 10-calico.conflist >/tmp/conflist
cat /tmp/conflist >10-calico.conflist
