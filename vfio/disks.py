"""Finds the PCI functions under the host's mounted filesystems, swap and volumes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vfio.reading import lines, names, pci_function_of, resolved
from vfio.sysfs import Sysfs

_BLOCK = "sys/class/block"
_BY_NUMBER = "sys/dev/block"
_BTRFS = "sys/fs/btrfs"


def disks_in_use(sysfs: Sysfs) -> Iterator[tuple[str, str]]:
    """Function and reason, once per use."""
    for device, why in _used_block_devices(sysfs):
        for path in _physical(sysfs, device, seen=set()):
            for address in _functions_under(sysfs, path):
                yield address, why


def _used_block_devices(sysfs: Sysfs) -> Iterator[tuple[str, str]]:
    """Folders of block devices that something on the host uses, with what that is."""
    mounts = [_mount(line) for line in lines(sysfs, "proc/self/mountinfo")]
    for mount in mounts:
        if (path := _mounted(sysfs, mount)) is not None:
            yield path, f"its disk holds {mount.where}"
    for line in lines(sysfs, "proc/swaps")[1:]:
        if (path := _by_name(sysfs, line.split()[0])) is not None:
            yield path, "its disk holds swap"
    yield from _btrfs_members(sysfs)
    yield from _claimed_by_volumes(sysfs)
    if any(mount.kind == "zfs" for mount in mounts):
        # ZFS opens disks without leaving a trace here: better to keep them all than to give one away.
        for device in names(sysfs, _BLOCK):
            if (path := resolved(sysfs, f"{_BLOCK}/{device}")) is not None:
                yield path, "this host has ZFS mounted, which does not tell its disks"


def _btrfs_members(sysfs: Sysfs) -> Iterator[tuple[str, str]]:
    for filesystem in names(sysfs, _BTRFS):
        for device in names(sysfs, f"{_BTRFS}/{filesystem}/devices"):
            if (path := resolved(sysfs, f"{_BTRFS}/{filesystem}/devices/{device}")) is not None:
                yield path, "its disk is part of a mounted btrfs"


def _claimed_by_volumes(sysfs: Sysfs) -> Iterator[tuple[str, str]]:
    """Disks that device-mapper, md or bcache hold, mounted or not."""
    for device in names(sysfs, _BLOCK):
        path = resolved(sysfs, f"{_BLOCK}/{device}")
        if path is not None and (holders := names(sysfs, f"{path}/holders")):
            yield path, f"its disk is part of {holders[0]}"


@dataclass(frozen=True, slots=True)
class _Mount:
    number: str
    where: str
    kind: str
    source: str


def _mounted(sysfs: Sysfs, mount: _Mount) -> str | None:
    """The block device under a mount. btrfs shows an anonymous number (0:N), but its source names one."""
    path = resolved(sysfs, f"{_BY_NUMBER}/{mount.number}")
    return path or (_by_name(sysfs, mount.source) if mount.source.startswith("/dev/") else None)


def _mount(line: str) -> _Mount:
    """One line of mountinfo (proc(5))."""
    left, _, right = line.partition(" - ")
    words, tail = left.split(" "), right.split(" ")
    return _Mount(words[2], _unescaped(words[4]), tail[0], _unescaped(tail[1]))


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _by_name(sysfs: Sysfs, source: str) -> str | None:
    """Folder of the block device with this path in /dev; also for the names of device-mapper."""
    name = source.removeprefix("/dev/")
    if (path := resolved(sysfs, f"{_BLOCK}/{name.replace('/', '!')}")) is not None:
        return path
    if not source.startswith("/dev/mapper/"):
        return None
    wanted = name.removeprefix("mapper/")
    for device in names(sysfs, _BLOCK):
        if lines(sysfs, f"{_BLOCK}/{device}/dm/name") == [wanted]:
            return resolved(sysfs, f"{_BLOCK}/{device}")
    return None


def _physical(sysfs: Sysfs, path: str, seen: set[str]) -> Iterator[str]:
    """The real disks under a device: itself, or what device-mapper, md and bcache are made of."""
    if path in seen:
        return
    seen.add(path)
    slaves = [resolved(sysfs, f"{path}/slaves/{name}") for name in names(sysfs, f"{path}/slaves")]
    if not slaves:
        yield path
    for slave in slaves:
        if slave is not None:
            yield from _physical(sysfs, slave, seen)


def _functions_under(sysfs: Sysfs, path: str) -> Iterator[str]:
    if (address := pci_function_of(sysfs, path)) is not None:
        yield address
        return
    # With native multipath an nvme disk hangs on a virtual subsystem, which links to its controllers.
    subsystem, _, inside = path.partition("/nvme-subsystem/")
    if not inside:
        return
    folder = f"{subsystem}/nvme-subsystem/{inside.split('/')[0]}"
    for name in names(sysfs, folder):
        if re.fullmatch(r"nvme\d+", name) and (address := pci_function_of(sysfs, f"{folder}/{name}")):
            yield address
