#!/bin/bash
# PID 1 of the lab host: devices, network, SSH, libvirt, and the agent once the host is enrolled.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
exec </dev/console >/dev/console 2>&1
say() { echo "LAB-STEP $(cut -d' ' -f1 /proc/uptime) $*"; }

# devtmpfs has no such links, and libvirt's and mdevctl's scripts use them.
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin; ln -sf fd/1 /dev/stdout; ln -sf fd/2 /dev/stderr
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /run/lock /run/sshd /run/udev /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 none /sys/fs/cgroup
hostname "$(cat /etc/hostname)"

# Before libvirt looks, or it says that this host cannot pass devices through.
modprobe -a vfio-pci kvm_amd tun virtio_net

ip link set lo up
for nic in /sys/class/net/*; do
    [ "$(basename "$(readlink "$nic/device/driver")")" = virtio_net ] || continue
    ip link set "${nic##*/}" up
    ip address add 10.0.2.15/24 dev "${nic##*/}"
    ip route add default via 10.0.2.2
done
/usr/sbin/sshd && say sshd

/usr/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add
udevadm settle --timeout=60
say devices

while :; do libvirtd >>/var/log/libvirtd.log 2>&1; sleep 1; done &
until [ -S /run/libvirt/libvirt-sock ]; do sleep 0.2; done
say libvirtd

# `kcloud host enroll` leaves this behind on hosts without systemd.
[ -x /opt/kcloud/supervise ] && setsid /opt/kcloud/supervise </dev/null >/dev/null 2>&1 &

echo "LAB-READY $(cut -d' ' -f1 /proc/uptime)"
# Orphans are reaped by waiting; bash waits for all of its children, adopted ones included.
while :; do sleep 3600 & wait $!; done
