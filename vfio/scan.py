"""Reads all PCI functions of a host into one immutable snapshot."""

import functools
import re
from collections.abc import Mapping

from vfio.device import ADDRESS, Bar, Link, PciDevice, Snapshot
from vfio.errors import Vanished
from vfio.reading import names
from vfio.sysfs import Folder, Sysfs

DEVICES = "sys/bus/pci/devices"
GROUPS = "sys/kernel/iommu_groups"
BOOT_ID = "proc/sys/kernel/random/boot_id"

_NO_OVERRIDE = "(null)"
_BAR_COUNT = 6
_UNUSED = " 0x0000000000000000"
_VGA = 0x0300
# Flags of the `resource` file: include/linux/ioport.h.
_IO = 0x00000100
_PREFETCHABLE = 0x00002000
_64BIT = 0x00100000
_UEVENT = re.compile(
    "^PCI_CLASS=([0-9A-F]+)\nPCI_ID=([0-9A-F]+):([0-9A-F]+)\nPCI_SUBSYS_ID=([0-9A-F]+):([0-9A-F]+)$",
    re.MULTILINE,
)
_NONE_KNOWN: Mapping[str, PciDevice] = {}
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
            devices[address] = read_device(sysfs, address, devices)
        except Vanished:
            continue
    return Snapshot(devices, _groups(sysfs, devices), boot_id(sysfs))


def boot_id(sysfs: Sysfs) -> str | None:
    """Which boot of the host this is."""
    try:
        return sysfs.read_text(BOOT_ID) or None
    except Vanished:
        return None


def read_device(sysfs: Sysfs, address: str, known: Mapping[str, PciDevice] = _NONE_KNOWN) -> PciDevice:
    """One function; Vanished when it is not there. `known` are functions that have been read just now.

    A host may have thousands of VFs and is scanned often, so no file is read that can say nothing new: a VF
    has no VFs, sits where its PF sits, and has no link but its PF's."""
    path = f"{DEVICES}/{address}"
    with sysfs.folder(path) as folder:
        text = folder.read_text
        code, *ids = _identity(folder)
        physfn = _last(folder.readlink("physfn"))
        physical = known.get(physfn) if physfn else None
        total_vfs = 0 if physfn else int(text("sriov_totalvfs") or "0")
        return PciDevice(
            address=address,
            vendor=ids[0],
            product=ids[1],
            subsystem_vendor=ids[2],
            subsystem_product=ids[3],
            class_code=code,
            revision=int(text("revision") or "0", 0),
            driver=_last(folder.readlink("driver")),
            driver_override=_override(text("driver_override")),
            iommu_group=_group_number(_last(folder.readlink("iommu_group"))),
            numa_node=physical.numa_node if physical else _node(text("numa_node")),
            bars=parse_bars(text("resource") or ""),
            sriov_total_vfs=total_vfs,
            sriov_num_vfs=int(text("sriov_numvfs") or "0") if total_vfs else 0,
            physfn=physfn,
            reset_methods=tuple((text("reset_method") or "").split()),
            is_bridge=code >> 8 in _BRIDGES,
            boot_vga=code >> 8 == _VGA and text("boot_vga") == "1",
            link=physical.link if physical else parse_link(text("max_link_speed"), text("max_link_width")),
            # Read last, for it fails when the function has left: then files were missing that it had.
            pci_path=_path(sysfs.readlink(path), physical),
        )


def _identity(folder: Folder) -> tuple[int, ...]:
    """Class, vendor, device and subsystem. `uevent` has all in one read; where not, their files have them."""
    if found := _UEVENT.search(folder.read_text("uevent") or ""):
        return _ids(*found.groups())
    files = ("class", "vendor", "device", "subsystem_vendor", "subsystem_device")
    return tuple(int(folder.read_text(name) or "0", 0) for name in files)


def _path(link: str, physical: PciDevice | None) -> tuple[str, ...]:
    return physical.pci_path if physical else bridges_above(link)


@functools.lru_cache(maxsize=256)
def _ids(*words: str) -> tuple[int, ...]:
    return tuple(int(word, 16) for word in words)


def bridges_above(link: str) -> tuple[str, ...]:
    """The bridges in a device's resolved path (`.../pci0000:00/0000:00:01.0/0000:01:00.0`), top first."""
    return tuple(part for part in link.split("/") if ADDRESS.match(part))[:-1]


def parse_bars(text: str) -> tuple[Bar, ...]:
    """The base address registers in a `resource` file: its first six lines, those that are in use."""
    bars = []
    for index, line in enumerate(text.split("\n", _BAR_COUNT)[:_BAR_COUNT]):
        if not line or line.endswith(_UNUSED):
            continue
        start, end, marks = line.split()
        size, flags = int(end, 16) - int(start, 16) + 1, int(marks, 16)
        if flags and size > 0:
            is_64bit, prefetchable = bool(flags & _64BIT), bool(flags & _PREFETCHABLE)
            bars.append(Bar(index, size, is_64bit, prefetchable, bool(flags & _IO)))
    return tuple(bars)


@functools.lru_cache(maxsize=64)
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
            return _last(self._sysfs.readlink(f"{self._folder}/{name}"))
        except Vanished:
            return None

    def override(self) -> str | None:
        """The text of driver_override; None when there is none, which the kernel prints as `(null)`."""
        return _override(self.text("driver_override"))


def _groups(sysfs: Sysfs, devices: dict[str, PciDevice]) -> dict[int, tuple[str, ...]]:
    members: dict[int, list[str]] = {}
    for device in devices.values():
        if device.iommu_group is not None:
            members.setdefault(device.iommu_group, []).append(device.address)
    for number, ours in members.items():
        # The kernel's own list also names members that are no PCI devices; they count for viability.
        ours.extend(n for n in names(sysfs, f"{GROUPS}/{number}/devices") if not ADDRESS.match(n))
    return {number: tuple(sorted(members[number])) for number in sorted(members)}


def _override(text: str | None) -> str | None:
    return None if text in (None, "", _NO_OVERRIDE) else text


def _last(target: str | None) -> str | None:
    """What a link leads to."""
    return target.rpartition("/")[2] if target is not None else None


def _group_number(name: str | None) -> int | None:
    return int(name) if name is not None and name.isdecimal() else None


def _node(text: str | None) -> int | None:
    return int(text) if text is not None and int(text) >= 0 else None
