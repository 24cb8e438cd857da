rm -f /usr/local/sbin/runc
