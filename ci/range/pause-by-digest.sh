# Names the pause image by its digest too, as a pulled one is: probes are started by digest, and a published node image knows the
# tag alone.
set -e
ctr --namespace k8s.io images ls 'name~=^registry\.k8s\.io/pause:' | while read -r name _ digest _; do
	case $digest in sha256:*) ctr --namespace k8s.io images tag --force "$name" "${name%:*}@$digest" >/dev/null ;; esac
done
