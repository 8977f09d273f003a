"""All that the checks may know of a host. Pure data; None or empty for what the host does not show."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vfio.catalogue_product import Product
from vfio.device import Link, PciDevice, Snapshot
from vfio.offer import OfferResult

VFIO_PCI = "vfio-pci"


@dataclass(frozen=True, slots=True)
class Resource:
    """One line of a function's `resource` file that is a memory window: 0 to 5 BARs, 7 to 12 BARs of VFs."""

    index: int
    start: int
    size: int
    flags: int


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What sysfs shows of one function besides its `PciDevice`."""

    config: bytes = b""
    resources: tuple[Resource, ...] = ()
    link: Link | None = None
    """As it runs now."""
    power_state: str | None = None
    power_control: str | None = None
    d3cold_allowed: bool | None = None
    aer: Mapping[str, int] = field(default_factory=dict)
    """Totals since boot by kind (`correctable`, `nonfatal`, `fatal`) at the beginning of the reading."""
    aer_later: Mapping[str, int] = field(default_factory=dict)
    """The same at its end."""
    vfs_offered: int | None = None
    """`sriov_totalvfs`."""
    autoprobe: bool | None = None
    mdev_types: tuple[str, ...] = ()
    vendor_vgpu: bool = False
    """Has `nvidia/creatable_vgpu_types`."""
    largest_bars: Mapping[int, int] = field(default_factory=dict)
    """BAR to the largest size in bytes that its `resourceN_resize` allows."""


@dataclass(frozen=True, slots=True)
class KernelFacts:
    release: str = ""
    command_line: str = ""
    loaded: frozenset[str] | None = None
    """Modules, loaded or built in, with underscores."""
    installed: frozenset[str] | None = None
    """Modules that the kernel's folder names; None when that folder is not there."""
    drivers: frozenset[str] = frozenset()
    """Of the PCI bus."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """`kvm_intel.nested` to `Y`, of the modules that matter here."""
    module_options: tuple[str, ...] = ()
    """Lines of /etc/modprobe.d, without comments."""
    tainted: int = 0
    lockdown: str = ""
    interrupt_chips: frozenset[str] = frozenset()
    """`IR-PCI-MSI` ...: who delivers interrupts, from /proc/interrupts."""

    @property
    def version(self) -> tuple[int, int]:
        """(0, 0) when it is not known."""
        found = re.match(r"(\d+)\.(\d+)", self.release)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def options(self, name: str) -> tuple[str, ...]:
        """Values of a word on the command line, - and _ alike; a bare word has an empty one."""
        found = []
        for word in self.command_line.split():
            key, _, value = word.partition("=")
            if key.replace("-", "_") == name.replace("-", "_"):
                found.append(value)
        return tuple(found)

    def has(self, module: str) -> bool | None:
        """Whether a module is there; None when the host does not say."""
        return None if self.loaded is None else module in self.loaded


@dataclass(frozen=True, slots=True)
class IommuFacts:
    units: tuple[str, ...] = ()
    """`dmar0`, `ivhd0`, `smmu3.0x...`."""
    group_types: Mapping[int, str] = field(default_factory=dict)
    firmware_table: str = ""
    """The ACPI table that announces one: DMAR, IVRS or IORT."""


@dataclass(frozen=True, slots=True)
class Node:
    """One NUMA node. `hugepages`: by size in KiB, how many it has."""

    number: int
    memory_kib: int
    hugepages: Mapping[int, int] = field(default_factory=dict)
    large_blocks: int | None = None
    """Free runs of memory that are large enough for a 2 MiB page."""


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    total_kib: int | None = None
    hugepages: Mapping[int, int] = field(default_factory=dict)
    hugepages_asked: int = 0
    """The most that the command line or sysctl files ask for, of the default size."""
    asked_where: str = ""
    default_kib: int = 2048
    nodes: tuple[Node, ...] = ()

    def node(self, number: int | None) -> Node | None:
        return next((node for node in self.nodes if node.number == number), None)


@dataclass(frozen=True, slots=True)
class CpuFacts:
    vendor: str = ""
    """`GenuineIntel`, `AuthenticAMD` or empty."""
    flags: frozenset[str] = frozenset()
    phys_bits: int | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a device's file open."""

    pid: int
    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Daemon:
    """A libvirt daemon. `memlock`: bytes, None for unlimited."""

    pid: int
    name: str
    memlock: int | None
    may_raise: bool
    """Has CAP_SYS_RESOURCE."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The host, read once."""

    snapshot: Snapshot
    result: OfferResult
    products: Mapping[str, Product]
    """Of `cards`."""
    functions: Mapping[str, FunctionFacts] = field(default_factory=dict)
    """Of cards, their VFs and the ports above them."""
    kernel: KernelFacts = KernelFacts()
    iommu: IommuFacts = IommuFacts()
    memory: MemoryFacts = MemoryFacts()
    cpu: CpuFacts = CpuFacts()
    holders: Mapping[str, tuple[Holder, ...]] = field(default_factory=dict)
    """By card."""
    daemons: tuple[Daemon, ...] = ()
    cut: frozenset[str] = frozenset()
    """Names of cards that a layout cuts, as the agent wrote down."""
    pim_ranks: int = 0
    """Ranks of memory that computes (UPMEM): accelerators that are no PCI functions."""
    programs: frozenset[str] | None = None
    """Of those that kcloud and its guests need, the ones that are installed."""
    device_files: frozenset[str] | None = None
    """Of those that are needed in /dev, the ones that are there; None when there is no whole /dev."""

    @property
    def cards(self) -> tuple[PciDevice, ...]:
        """What rules name and the host does not use itself, all its functions included."""
        return tuple(self.snapshot.devices[address] for address in sorted(self.products))

    def is_cut(self, address: str) -> bool:
        return address in self.snapshot.devices and self.snapshot.devices[address].name in self.cut

    def of(self, address: str) -> FunctionFacts:
        return self.functions.get(address, _NOTHING)

    def vfs(self, physical: str) -> tuple[PciDevice, ...]:
        return tuple(device for device in self.snapshot.devices.values() if device.physfn == physical)


_NOTHING = FunctionFacts()
