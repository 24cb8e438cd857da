# It looks again when it sees fit, which may be minutes later. A new process has its tools back, and is ready once it has written everything.
felix=$(pgrep --oldest --exact calico-felix || :)
if [ -n "$felix" ] && [ "$(nsenter --target "$felix" --mount -- readlink /usr/sbin/iptables-nft-restore)" = /bin/true ]; then
  kill -KILL "$felix"
  while [ -e "/proc/$felix" ]; do sleep 0.1; done
fi
until curl --silent --fail --output /dev/null http://127.0.0.1:9099/readiness; do sleep 0.2; done
