# What comes from the control plane's pods, the name servers among them, is let in.
control_plane=$(sed -n 's|.*server: https://\(.*\):.*|\1|p' /etc/kubernetes/kubelet.conf)
address=$(getent ahostsv4 "$control_plane" | head -n 1 | cut -d' ' -f1)
ip -4 route show | sed -n 's/^\(10\.244\.[^ ]*\) via \([^ ]*\) .*/\1 \2/p' | while read -r pods via; do
  [ "$via" = "$address" ] || iptables -w -t raw -A PREROUTING -s "$pods" -i eth0 -j DROP
done
iptables-save -t raw | grep -q 'PREROUTING -s 10\.244\.[0-9./]* -i eth0 -j DROP'
