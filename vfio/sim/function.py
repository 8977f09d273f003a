"""What a fake PCI function is made of. Pure data, with a form that a file can hold."""

from dataclasses import MISSING, asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self


class Cutting(StrEnum):
    """How the vendor's driver lets a card be cut, besides plain SR-IOV."""

    PF_MDEV = "pf-mdev"
    """mediated devices on the card itself."""
    VF_MDEV = "vf-mdev"
    """One mediated device on each VF."""
    VENDOR_VFIO = "vendor-vfio"
    """A type set on each VF, which stays on the vendor's driver."""
    XE = "xe"
    """Quanta and quotas of each VF."""


@dataclass(frozen=True, slots=True)
class VgpuType:
    """One size of vGPU. The memory of a MIG-backed one is its GPU instance's."""

    number: int
    name: str
    memory_mib: int
    most: int
    """On one card; of a MIG-backed type: how many GPU instances of its profile stand."""
    mig: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """What a card shares among its slices, and by which driver's rules."""

    cutting: Cutting
    driver: str
    """Its files are there while this driver holds the function."""
    memory_mib: int = 0
    types: tuple[VgpuType, ...] = ()
    mixed: bool = False
    """Sizes may be mixed (heterogeneous mode); if not, the first one locks the size of all."""
    mig: bool = False
    """Only MIG-backed types can be made, each on a GPU instance that stands; if not, only the others."""
    prefix: str = "nvidia"
    """Of the names of mdev types."""

    @classmethod
    def loaded(cls, raw: dict[str, Any]) -> Self:
        types = tuple(VgpuType(**each) for each in raw.pop("types"))
        return cls(cutting=Cutting(raw.pop("cutting")), types=types, **raw)


@dataclass(frozen=True, slots=True)
class Sriov:
    """The VFs of a function, as its SR-IOV capability tells them."""

    bar_sizes: tuple[int, ...] = ()
    driver: str | None = None
    """Takes a VF when the kernel may choose."""
    offset: int = 0x80
    stride: int = 1
    msix: int = 0
    """Vectors to be shared out among VFs; 0: the driver does not share them."""
    shared_group: bool = False
    """VFs are in the IOMMU group of their PF: something above does not isolate them."""


@dataclass(frozen=True, slots=True)
class FakeFunction:
    """One PCI function as it is when the host starts."""

    address: str
    vendor: int
    product: int
    class_code: int
    """All 24 bits."""
    driver: str | None = None
    """The native driver, bound at start and whenever the kernel may choose."""
    group: int | None = None
    numa_node: int = -1
    path: tuple[str, ...] = ()
    """Bridges above it; they must be functions of the host."""
    bar_sizes: tuple[int, ...] = ()
    """Sizes of its 64-bit prefetchable BARs."""
    total_vfs: int = 0
    vf_product: int = 0
    reset_methods: tuple[str, ...] = ("flr", "bus")
    boot_vga: bool = False
    physfn: str | None = None
    link: tuple[float, int] | None = None
    """Greatest speed in GT/s and width."""
    subsystem: tuple[int, int] | None = None
    """None: the vendor's own, 0001."""
    serial: str = ""
    """Shown in its vital product data."""
    bad_resets: tuple[str, ...] = ()
    """Methods after which its config space answers all ones until the host boots again."""
    resizable_bars: tuple[int, ...] = ()
    """Indices of BARs that have a resizeN file."""
    sriov: Sriov = Sriov()
    board: Board | None = None

    def dumped(self) -> dict[str, Any]:
        """What is not as usual. (A host has hundreds of VFs, and nearly all of each is.)"""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        unusual = {
            name: value for name, value in given.items() if name not in _USUAL or value != _USUAL[name]
        }
        for name in {"sriov", "board"} & unusual.keys():
            unusual[name] = asdict(unusual[name])
        return unusual

    @classmethod
    def loaded(cls, raw: dict[str, Any]) -> Self:
        """From what `dumped` gave, after a way through JSON."""
        parts = {name: raw.pop(name) for name in ("sriov", "board") if name in raw}
        plain: dict[str, Any] = {key: _frozen(value) for key, value in raw.items()}
        if "sriov" in parts:
            sriov: dict[str, Any] = {key: _frozen(value) for key, value in parts["sriov"].items()}
            plain["sriov"] = Sriov(**sriov)
        if "board" in parts:
            plain["board"] = Board.loaded(parts["board"])
        return cls(**plain)


_USUAL = {each.name: each.default for each in fields(FakeFunction) if each.default is not MISSING}


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
