iptables-save -t mangle | sed -n 's/^-A \(PREROUTING -s 10\.244\.0\.0\/16 -d .*--ctstate NEW -j DROP\)$/-D \1/p' | while read -r rule; do
  # shellcheck disable=SC2086
  iptables -w -t mangle $rule
done
