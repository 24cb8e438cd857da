nft delete table inet sabotage-kubelets-cut 2>/dev/null || true
