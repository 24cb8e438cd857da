for protocol in udp tcp; do
  iptables -w -t raw -A PREROUTING -s 10.244.0.0/16 -p "$protocol" --dport 53 -j DROP
done
