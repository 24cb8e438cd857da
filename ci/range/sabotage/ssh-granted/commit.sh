# Something that greets as SSH does.
systemd-run --collect --unit=sabotage-ssh socat TCP-LISTEN:22,reuseaddr,fork 'SYSTEM:echo SSH-2.0-sabotage'
until curl --silent --max-time 1 telnet://127.0.0.1:22 </dev/null | grep -q SSH; do sleep 0.1; done
