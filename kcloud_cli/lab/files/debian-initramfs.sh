#!/bin/busybox sh
# The Debian guest's initramfs: loads the disk's and the config drive's drivers and goes to the root file system.
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/lib/modules/$module"; done < /etc/modules.load
for _ in 1 2 3 4 5 6 7 8 9 10; do
    disk=$(findfs LABEL=kcloud-root) && break
    sleep 1
done
mount -t ext4 -o noatime "$disk" /root || { echo "GUEST-FAILED no root disk"; exec sh; }
for place in proc sys dev; do mount --move /$place /root/$place; done
exec switch_root /root /lib/systemd/systemd
