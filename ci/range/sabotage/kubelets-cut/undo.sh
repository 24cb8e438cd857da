iptables-save -t filter | sed -n 's/^-A \(INPUT .*--dport 10250 -j REJECT --reject-with tcp-reset\)$/-D \1/p' | while read -r rule; do
  # shellcheck disable=SC2086
  iptables -w $rule
done
