#!/bin/sh
# What udhcpc learns, applied.
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr flush dev "$interface"
ip addr add "$ip/${mask:-24}" dev "$interface"
[ -n "$router" ] && ip route replace default via "${router%% *}"
for server in $dns; do echo "nameserver $server"; done > /etc/resolv.conf
echo "GUEST-IP $ip" > /dev/console
