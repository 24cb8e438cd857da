rm -f /etc/kubelet.conf.d/90-anonymous.conf
systemctl restart kubelet
until curl --silent --fail --output /dev/null http://127.0.0.1:10248/healthz; do sleep 0.2; done
