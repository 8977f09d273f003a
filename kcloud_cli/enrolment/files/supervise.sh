#!/bin/sh
# Keeps kcloud's agent running on a host without systemd; what starts the machine starts this. Only one runs.
exec 9>/run/kcloud-supervise.lock
flock -n 9 || exit 0
echo $$ > /run/kcloud-supervise.pid
trap 'kill "$agent" 2>/dev/null; wait "$agent"; exit 0' TERM INT
modprobe vfio-pci
while :; do
    /opt/kcloud/bin/kcloud-compute --config-file /etc/kcloud/compute.conf >>/var/log/kcloud-compute.log 2>&1 9>&- &
    agent=$!
    wait "$agent"
    # 78: a person must act; another start would not change it.
    [ $? = 78 ] && exit 78
    sleep 1
done
