"""QEMU and KVM through libvirt. Only connection.py imports libvirt."""
