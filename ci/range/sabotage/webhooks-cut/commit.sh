control_plane=$(sed -n 's|.*server: https://\(.*\):.*|\1|p' /etc/kubernetes/kubelet.conf)
address=$(getent ahostsv4 "$control_plane" | head -n 1 | cut -d' ' -f1)
iptables -w -t raw -A PREROUTING -s "$address" -p tcp --dport 9443 -j DROP
