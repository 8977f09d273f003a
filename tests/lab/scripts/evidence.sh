# What the lab host shows of itself and of each of its guests, for the report of a failed test. Stops at nothing.
show() { echo "--- $*"; timeout 60 "$@" 2>&1; }
counters() { # of KVM for the guest whose QEMU has this pid, then the CPU time of its threads
    for file in /sys/kernel/debug/kvm/"$1"-*/*; do
        [ -f "$file" ] && echo "$(basename "$file")=$(cat "$file")"
    done | grep -v '=0$' | tr '\n' ' '
    for task in /proc/"$1"/task/*; do
        echo; echo "$(cat "$task/comm"): $(sed 's/.*) //' "$task/stat" | cut -d' ' -f1,12,13) $(cat "$task/wchan")"
    done
}
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
show uptime
show top -b -n 1 -w 120 | head -n 15
show dmesg | tail -n 20
for domain in $(virsh list --all --name); do
    show virsh domstate --reason "$domain"
    pid=$(cat "/run/libvirt/qemu/$domain.pid") || continue
    for command in 'info registers' 'info lapic'; do
        show virsh qemu-monitor-command "$domain" --hmp "$command" | head -n 22
    done
    echo '--- KVM and threads, then the same five seconds later'
    counters "$pid"; sleep 5; counters "$pid"
    show virsh qemu-monitor-command "$domain" --hmp 'info registers' | grep RIP
    echo '--- console'
    tail -c 4000 "$(virsh dumpxml "$domain" | sed -n "s/.*<source path='\([^']*\)'.*/\1/p" | head -n 1)"
done
