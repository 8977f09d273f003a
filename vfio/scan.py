"""Reads all PCI functions of a host into one immutable snapshot."""

import re

from vfio.device import ADDRESS, Bar, Link, PciDevice, Snapshot
from vfio.errors import Vanished
from vfio.reading import names
from vfio.sysfs import Sysfs

DEVICES = "sys/bus/pci/devices"
GROUPS = "sys/kernel/iommu_groups"
BOOT_ID = "proc/sys/kernel/random/boot_id"

_NO_OVERRIDE = "(null)"
_BAR_COUNT = 6
# Flags of the `resource` file: include/linux/ioport.h.
_IO = 0x00000100
_PREFETCHABLE = 0x00002000
_64BIT = 0x00100000
_SPEED = re.compile(r"(\d+(?:\.\d+)?) GT/s")
_WIDTHS = frozenset({1, 2, 4, 8, 12, 16, 32})
# The kernel lets a group be used with these still on their own driver, for their header is not an endpoint's:
# PCI-to-PCI bridge, CardBus bridge, semi-transparent bridge.
_BRIDGES = frozenset({0x0604, 0x0607, 0x0609})


def scan(sysfs: Sysfs) -> Snapshot:
    """Every function that stayed there while it was read. A host without PCI gives an empty snapshot;
    what we may not read is raised (Denied), never left out."""
    devices: dict[str, PciDevice] = {}
    for address in names(sysfs, DEVICES):
        try:
            devices[address] = read_device(sysfs, address)
        except Vanished:
            continue
    return Snapshot(devices, _groups(sysfs, devices), boot_id(sysfs))


def boot_id(sysfs: Sysfs) -> str | None:
    """Which boot of the host this is."""
    try:
        return sysfs.read_text(BOOT_ID) or None
    except Vanished:
        return None


def read_device(sysfs: Sysfs, address: str) -> PciDevice:
    """One function; Vanished when it is not there."""
    attributes = Attributes(sysfs, address)
    code = attributes.number("class")
    return PciDevice(
        address=address,
        vendor=attributes.number("vendor"),
        product=attributes.number("device"),
        subsystem_vendor=attributes.number("subsystem_vendor"),
        subsystem_product=attributes.number("subsystem_device"),
        class_code=code,
        revision=attributes.number("revision"),
        driver=attributes.link("driver"),
        driver_override=attributes.override(),
        iommu_group=_group_number(attributes.link("iommu_group")),
        numa_node=_node(attributes.text("numa_node")),
        pci_path=bridges_above(sysfs.readlink(f"{DEVICES}/{address}")),
        bars=parse_bars(attributes.text("resource") or ""),
        sriov_total_vfs=attributes.number("sriov_totalvfs"),
        sriov_num_vfs=attributes.number("sriov_numvfs"),
        physfn=attributes.link("physfn"),
        reset_methods=tuple((attributes.text("reset_method") or "").split()),
        is_bridge=code >> 8 in _BRIDGES,
        boot_vga=attributes.text("boot_vga") == "1",
        link=parse_link(attributes.text("max_link_speed"), attributes.text("max_link_width")),
    )


def bridges_above(link: str) -> tuple[str, ...]:
    """The bridges in a device's resolved path (`.../pci0000:00/0000:00:01.0/0000:01:00.0`), top first."""
    return tuple(part for part in link.split("/") if ADDRESS.match(part))[:-1]


def parse_bars(text: str) -> tuple[Bar, ...]:
    """The base address registers in a `resource` file: its first six lines, those that are in use."""
    bars = []
    for index, line in enumerate(text.splitlines()[:_BAR_COUNT]):
        start, end, flags = (int(word, 16) for word in line.split())
        if flags and end >= start:
            bars.append(
                Bar(
                    index=index,
                    size=end - start + 1,
                    is_64bit=bool(flags & _64BIT),
                    prefetchable=bool(flags & _PREFETCHABLE),
                    is_io=bool(flags & _IO),
                )
            )
    return tuple(bars)


def parse_link(speed: str | None, width: str | None) -> Link | None:
    """From `16.0 GT/s PCIe` and `16`. The greatest of each and not the current ones: a link that saves power
    is slow until it is used. A function that sleeps too deep to be asked answers with what is no link."""
    found = _SPEED.match(speed or "")
    lanes = int(width) if width and width.isdecimal() else 0
    return Link(float(found[1]), lanes) if found and lanes in _WIDTHS else None


class Attributes:
    """The files of one device. One listing first: most devices lack most attributes, and asking for a file
    that is not there costs as much as reading one."""

    def __init__(self, sysfs: Sysfs, address: str) -> None:
        self._sysfs = sysfs
        self._folder = f"{DEVICES}/{address}"
        self._names = frozenset(sysfs.listdir(self._folder))

    def text(self, name: str) -> str | None:
        """None when the device has no such attribute; Vanished when it had one a moment ago."""
        return self._sysfs.read_text(f"{self._folder}/{name}") if name in self._names else None

    def number(self, name: str) -> int:
        return int(self.text(name) or "0", 0)

    def link(self, name: str) -> str | None:
        """The last part of a link's target. A link may go while its device stays (a driver unbinds)."""
        if name not in self._names:
            return None
        try:
            return self._sysfs.readlink(f"{self._folder}/{name}").rpartition("/")[2]
        except Vanished:
            return None

    def override(self) -> str | None:
        """The text of driver_override; None when there is none, which the kernel prints as `(null)`."""
        text = self.text("driver_override")
        return None if text in (None, "", _NO_OVERRIDE) else text


def _groups(sysfs: Sysfs, devices: dict[str, PciDevice]) -> dict[int, tuple[str, ...]]:
    members: dict[int, list[str]] = {}
    for device in devices.values():
        if device.iommu_group is not None:
            members.setdefault(device.iommu_group, []).append(device.address)
    for number, ours in members.items():
        # The kernel's own list also names members that are no PCI devices; they count for viability.
        ours.extend(n for n in names(sysfs, f"{GROUPS}/{number}/devices") if not ADDRESS.match(n))
    return {number: tuple(sorted(members[number])) for number in sorted(members)}


def _group_number(name: str | None) -> int | None:
    return int(name) if name is not None and re.fullmatch(r"\d+", name) else None


def _node(text: str | None) -> int | None:
    return int(text) if text is not None and int(text) >= 0 else None
