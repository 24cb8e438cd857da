systemctl stop sabotage-metrics 2>/dev/null || true
