iptables-save -t raw | sed -n 's/^-A \(PREROUTING .*--dport 9443 -j DROP\)$/-D \1/p' | while read -r rule; do
  # shellcheck disable=SC2086
  iptables -w -t raw $rule
done
