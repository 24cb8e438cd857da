# The kubelet reads every file of its drop-in folder, in their order (the node image's unit says --config-dir).
cat > /etc/kubelet.conf.d/90-read-only-port.conf <<'CONF'
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
readOnlyPort: 10255
CONF
systemctl restart kubelet
until curl --silent --fail --output /dev/null http://127.0.0.1:10248/healthz; do sleep 0.2; done
