# A new process has a mount namespace of its own, and writes everything anew; routes to the other nodes' pods come a little later.
pkill --exact kube-router || :
sleep 1
until iptables --wait --list-rules KUBE-ROUTER-FORWARD 2>/dev/null | grep -q KUBE-POD-FW; do sleep 0.2; done
until [ "$(ip -4 route show | grep -c '^10\.244\..* via ')" -ge 2 ]; do sleep 0.2; done
