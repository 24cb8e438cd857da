systemctl stop sabotage-ssh 2>/dev/null || true
