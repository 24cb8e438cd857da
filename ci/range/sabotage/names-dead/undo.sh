iptables-save -t raw | sed -n 's/^-A \(PREROUTING -s 10\.244\.0\.0\/16 .*--dport 53 -j DROP\)$/-D \1/p' | while read -r rule; do
  # shellcheck disable=SC2086
  iptables -w -t raw $rule
done
