# After the connections are known, so that pods still answer whom a node has asked; before Services are resolved, so that they stay reachable.
for node in $(hostname -i) $(ip -4 route show | sed -n 's/^10\.244\.[^ ]* via \([^ ]*\) .*/\1/p'); do
  iptables -w -t mangle -I PREROUTING 1 -s 10.244.0.0/16 -d "$node" -m conntrack --ctstate NEW -j DROP
done
