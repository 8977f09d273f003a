"""The words for PCI devices as Linux shows them: addresses and immutable facts. Pure data.

Facts follow the kernel's sysfs ABI (Documentation/ABI/testing/sysfs-bus-pci).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

ADDRESS = re.compile(r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\Z")


_NAME = re.compile(r"pci_([0-9a-f]{4,8})_([0-9a-f]{2})_([01][0-9a-f])_([0-7])\Z")


def checked_address(text: str) -> str:
    """The full four-part form (`0000:41:00.0`), or ValueError. Domains above ffff exist (VMD) and pass."""
    if not ADDRESS.match(text):
        raise ValueError(f"not a PCI address (want dddd:bb:dd.f in lower-case hex): {text!r}")
    return text


def address_of(name: str) -> str | None:
    """Of a function with this libvirt-style name (PciDevice.name); None for a name of something else."""
    found = _NAME.match(name)
    return f"{found[1]}:{found[2]}:{found[3]}.{found[4]}" if found else None


@dataclass(frozen=True, slots=True)
class Bar:
    """One base address register: size in bytes, whether 64-bit and prefetchable, memory or I/O."""

    index: int
    size: int
    is_64bit: bool
    prefetchable: bool
    is_io: bool


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """What a PCI Express function or port can do: GT/s of one lane, and lanes."""

    speed: float
    width: int


@dataclass(frozen=True, slots=True)
class PciDevice:
    """One PCI function, read once. `class_code` is the full 24 bits (base, sub, interface)."""

    address: str
    vendor: int
    product: int
    subsystem_vendor: int
    subsystem_product: int
    class_code: int
    revision: int
    driver: str | None
    driver_override: str | None
    iommu_group: int | None
    numa_node: int | None
    """None when the kernel says -1."""
    pci_path: tuple[str, ...]
    """Bridges above it, from the root complex down; empty for a root-complex endpoint."""
    bars: tuple[Bar, ...]
    sriov_total_vfs: int
    sriov_num_vfs: int
    physfn: str | None
    """Address of the physical function when this is a VF."""
    reset_methods: tuple[str, ...]
    is_bridge: bool
    boot_vga: bool
    link: Link | None
    """Its own; its seat may do less (offer.seated_link). None: no PCI Express, or asleep."""

    @property
    def name(self) -> str:
        """Libvirt's node-device style name: `pci_0000_41_00_0`."""
        return "pci_" + self.address.replace(":", "_").replace(".", "_")

    @property
    def slot(self) -> str:
        """The address without its function: what one card's functions share."""
        return self.address.rpartition(".")[0]

    @property
    def described(self) -> str:
        """For messages: address, ids, class and driver."""
        driver = f"driver {self.driver}" if self.driver else "no driver"
        ids = f"{self.vendor:04x}:{self.product:04x}"
        return f"{self.address} ({ids}, class {self.class_code >> 8:04x}, {driver})"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All PCI functions of a host as they were at one moment."""

    devices: Mapping[str, PciDevice]
    """By address."""
    groups: Mapping[int, tuple[str, ...]]
    """IOMMU group to its members, sorted; a member that is no PCI device has its own kind of name."""
    boot_id: str | None = None
