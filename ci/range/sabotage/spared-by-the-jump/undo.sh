iptables -w -S FORWARD | grep '^-A' | grep -n '! -d 169\.254\.0\.0/16 .*-j cali-FORWARD$' | while IFS=: read -r place rule; do
  eval iptables -w -R FORWARD "$place" "${rule#-A FORWARD ! -d 169.254.0.0/16 }"
done
