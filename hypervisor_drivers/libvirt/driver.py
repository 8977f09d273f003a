"""QEMU through libvirt."""

from hypervisor_drivers.driver import Driver


def open_driver(uri: str = "qemu:///system", virt_type: str = "auto") -> Driver:
    """Connects when first used. `virt_type` is `kvm`, `qemu`, or `auto` (kvm if a trial boot works)."""
    raise NotImplementedError
