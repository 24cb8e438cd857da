# In a table of its own, where no rule of the network plug-in lets it in before.
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
