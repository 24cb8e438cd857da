# In a table of its own: the network plug-in writes back the whole of iptables' filter table as it has read it, with what has gone since.
control_plane=$(sed -n 's|.*server: https://\(.*\):.*|\1|p' /etc/kubernetes/kubelet.conf)
address=$(getent ahostsv4 "$control_plane" | head -n 1 | cut -d' ' -f1)
nft -f - <<NFT
table inet sabotage-kubelets-cut {
  chain input {
    type filter hook input priority -10;
    ip saddr $address tcp dport 10250 reject with tcp reset
  }
}
NFT
