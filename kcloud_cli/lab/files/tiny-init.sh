#!/bin/busybox sh
# PID 1 of the tiny guest: reads the config drive, gets an address, says what it sees, gives a shell on ttyS0.
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /mnt /sbin
/bin/busybox --install -s /bin
export PATH=/bin:/sbin HOME=/root
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts; mount -t devpts devpts /dev/pts
exec </dev/console >/dev/console 2>&1
echo "GUEST-INIT $(cut -d' ' -f1 /proc/uptime)"
while read -r module; do insmod "/lib/modules/$module"; done < /etc/modules.load
hostname tiny

# OpenStack's layout, on whatever block device carries the volume.
read_config_drive() {
    meta=/mnt/openstack/latest/meta_data.json
    [ -f $meta ] || return 1
    name=$(sed -n 's/.*"hostname": *"\([^"]*\)".*/\1/p' $meta)
    [ -n "$name" ] && hostname "$name"
    tr '{},' '\n\n\n' < $meta | sed -n 's/.*"\(\(ssh\|ecdsa\|sk\)-[^"]*\)".*/\1/p' | sed 's/\\n//g' \
        | sort -u >> /root/.ssh/authorized_keys
    if [ -f /mnt/openstack/latest/user_data ]; then cp /mnt/openstack/latest/user_data /run/user_data; fi
}
for block in /dev/sr0 /dev/vd? /dev/sd?; do
    [ -b "$block" ] && mount -t iso9660 -o ro "$block" /mnt 2>/dev/null || continue
    read_config_drive && echo "GUEST-CONFIG-DRIVE $block"
    umount /mnt
done
chmod 600 /root/.ssh/authorized_keys

# The power button, as `virsh shutdown` presses it.
acpid -l /dev/null 2>/dev/null

ip link set lo up
for nic in /sys/class/net/e*; do
    [ -e "$nic" ] || continue
    ip link set "${nic##*/}" up
    udhcpc -i "${nic##*/}" -s /etc/udhcpc.sh -t 6 -T 2 -n -q >/dev/null
done
dropbear -R -s -p 22

if [ "$(head -c 2 /run/user_data 2>/dev/null)" = '#!' ]; then
    chmod +x /run/user_data
    /run/user_data
fi

# As `lspci -n` writes it, with the driver and, where there is one, the NUMA node; read by the shell alone, since a
# fork is dear under emulation.
for device in /sys/bus/pci/devices/*; do
    read -r class < "$device/class"; read -r vendor < "$device/vendor"; read -r product < "$device/device"
    class=${class#0x}; address=${device##*/}
    driver=$([ -e "$device/driver" ] && readlink "$device/driver")
    read -r node < "$device/numa_node"
    [ "$node" = -1 ] && node= || node=" node $node"
    echo "GUEST-PCI ${address#0000:} Class ${class%??}: ${vendor#0x}:${product#0x} ${driver##*/}$node"
done

# The kernel probes namespaces in the background: wait for each controller's first, but not for ever.
for controller in /sys/class/nvme/nvme*; do
    [ -e "$controller" ] || continue
    disk=/dev/${controller##*/}n1
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -b "$disk" ] && break; sleep 1; done
done
for disk in /dev/nvme?n?; do
    [ -b "$disk" ] && echo "GUEST-DMA $disk $(dd if="$disk" bs=512 count=1 2>/dev/null | head -c 15)"
done

# Serial ports of PCI cards: what is sent to a looped one comes back.
for tty in /sys/class/tty/ttyS*; do
    [ -e "$tty/device/vendor" ] || continue
    port=/dev/${tty##*/}
    stty -F "$port" raw -echo clocal
    exec 3<>"$port"
    echo "KCLOUD-SERIAL" >&3
    echo "GUEST-SERIAL $port $(timeout 20 head -n 1 <&3)"
    exec 3>&-
done
echo "GUEST-READY $(hostname) $(cut -d' ' -f1 /proc/uptime)"
while :; do setsid cttyhack sh -l; sleep 1; done
