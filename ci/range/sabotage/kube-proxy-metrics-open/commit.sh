# As metricsBindAddress would open them, without a restart of what every Service depends on.
address=$(hostname --ip-address)
systemd-run --collect --unit=sabotage-metrics socat "TCP-LISTEN:10249,bind=$address,reuseaddr,fork" TCP:127.0.0.1:10249
until curl --silent --fail --output /dev/null "http://$address:10249/healthz"; do sleep 0.1; done
