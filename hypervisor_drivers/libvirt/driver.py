"""QEMU through libvirt."""

from hypervisor_drivers.driver import Driver


def open_driver(uri: str = "qemu:///system", virt_type: str = "auto") -> Driver:
    """Connects lazily. `virt_type` is `kvm`, `qemu`, or `auto`: kvm where a trial boot shows that it works."""
    raise NotImplementedError
