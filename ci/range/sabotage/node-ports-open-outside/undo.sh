outside=$(getent hosts host.docker.internal | cut -d' ' -f1)
for protocol in tcp udp; do
  rule="PREROUTING -s $outside -p $protocol --dport 30000:32767 -j DROP"
  iptables -w -t raw -C $rule 2>/dev/null || iptables -w -t raw -A $rule
done
