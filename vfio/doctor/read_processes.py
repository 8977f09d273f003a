"""Reads which processes hold a card's device files open, and what libvirt's daemon may lock in memory."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from vfio.device import ADDRESS
from vfio.doctor.facts import Daemon, Holder
from vfio.doctor.reading import first, listed, told
from vfio.errors import SysfsError
from vfio.scan import DEVICES
from vfio.sysfs import Sysfs

_DAEMONS = frozenset({"libvirtd", "virtqemud"})
_CAP_SYS_RESOURCE = 24
_ELSEWHERE = re.compile(
    r"(driver|subsystem|iommu|iommu_group|firmware_node|power|msi_irqs|physfn|virtfn\d+|of_node"
    r"|(consumer|supplier):.*)\Z"
)
"""Folders of a device that are not its own class devices."""
_NVIDIA = "proc/driver/nvidia/gpus"


def device_files(sysfs: Sysfs, address: str) -> frozenset[str]:
    """The files in /dev through which a card is used, as its class devices and its driver name them."""
    found = set()
    folder = f"{DEVICES}/{address}"
    for name in listed(sysfs, folder):
        if _ELSEWHERE.match(name) or ADDRESS.match(name):
            continue
        for child in listed(sysfs, f"{folder}/{name}"):
            for line in told(sysfs, f"{folder}/{name}/{child}/uevent"):
                if line.startswith("DEVNAME="):
                    found.add("/dev/" + line.removeprefix("DEVNAME="))
    for line in told(sysfs, f"{_NVIDIA}/{address}/information"):
        if matched := re.match(r"Device Minor:\s+(\d+)", line):
            found.add(f"/dev/nvidia{matched[1]}")
    return frozenset(found)


def read_holders(sysfs: Sysfs, cards: Iterable[str]) -> Mapping[str, tuple[Holder, ...]]:
    """By card. Processes come and go, and some are not ours to look into: those are passed over."""
    owners = {file: card for card in cards for file in device_files(sysfs, card)}
    found: dict[str, list[Holder]] = {}
    for pid in _processes(sysfs) if owners else ():
        for file in sorted(_open_files(sysfs, pid) & owners.keys()):
            found.setdefault(owners[file], []).append(Holder(pid, _name(sysfs, pid), file))
    return {card: tuple(holders) for card, holders in found.items()}


def read_daemons(sysfs: Sysfs) -> tuple[Daemon, ...]:
    found = []
    for pid in _processes(sysfs):
        if (name := _name(sysfs, pid)) in _DAEMONS:
            found.append(Daemon(pid, name, _memlock(sysfs, pid), _may_raise(sysfs, pid)))
    return tuple(found)


def _processes(sysfs: Sysfs) -> Iterator[int]:
    return (int(name) for name in listed(sysfs, "proc") if name.isdecimal())


def _open_files(sysfs: Sysfs, pid: int) -> set[str]:
    found = set()
    for number in listed(sysfs, f"proc/{pid}/fd"):
        with suppress(SysfsError):
            found.add(sysfs.readlink(f"proc/{pid}/fd/{number}"))
    return found


def _name(sysfs: Sysfs, pid: int) -> str:
    return first(sysfs, f"proc/{pid}/comm")


def _memlock(sysfs: Sysfs, pid: int) -> int | None:
    for line in told(sysfs, f"proc/{pid}/limits"):
        if matched := re.match(r"Max locked memory\s+(\d+)", line):
            return int(matched[1])
    return None


def _may_raise(sysfs: Sysfs, pid: int) -> bool:
    """Whether it may set limits above its own, as libvirt does for each guest with devices."""
    for line in told(sysfs, f"proc/{pid}/status"):
        if matched := re.match(r"CapEff:\s+([0-9a-f]+)", line):
            return bool(int(matched[1], 16) >> _CAP_SYS_RESOURCE & 1)
    return True
