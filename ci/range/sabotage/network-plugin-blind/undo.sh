# A new process has a mount namespace of its own, and writes everything anew: first what it denies, and a mark for what it lets through.
old=$(pgrep --oldest --exact kube-router || :)
[ -z "$old" ] || kill "$old"
until new=$(pgrep --oldest --exact kube-router) && [ "$new" != "$old" ]; do sleep 0.2; done
# Without a pod of its own that a policy selects, a node has no rule there; the other chains always have some.
until iptables --wait --list-rules KUBE-ROUTER-INPUT 2>/dev/null | grep -q '^-A'; do sleep 0.2; done
until [ "$(ip -4 route show | grep -c '^10\.244\..* via ')" -ge 2 ]; do sleep 0.2; done
