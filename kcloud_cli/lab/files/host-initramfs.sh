#!/bin/busybox sh
# The lab host's initramfs: loads what the root disk needs and goes there.
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/lib/modules/$module"; done < /etc/modules.load
mount -t ext4 -o noatime /dev/vda /root || { echo "LAB-FAILED no root disk"; exec sh; }
for place in proc sys dev; do mount --move /$place /root/$place; done
exec switch_root /root /sbin/lab-init
