"""Finds processes that have a device open: a domain that is gone may have left one."""

import re
from contextlib import suppress

from vfio.errors import Vanished
from vfio.reading import names
from vfio.sanitise.subject import Subject
from vfio.scan import DEVICES
from vfio.sysfs import Sysfs

MDEVS = "sys/bus/mdev/devices"
_PROCESS = re.compile(r"[0-9]+\Z")


def handles(sysfs: Sysfs, subject: Subject) -> tuple[str, ...]:
    """Each process that has one of the device's nodes open, in words. Denied when we may not look: then
    nobody can say that it is closed."""
    nodes = _nodes(sysfs, subject)
    if not nodes:
        return ()
    found = []
    for process in names(sysfs, "proc"):
        if _PROCESS.match(process):
            found += [f"{node} by process {process}" for node in sorted(nodes & _opened(sysfs, process))]
    return tuple(found)


def _nodes(sysfs: Sysfs, subject: Subject) -> set[str]:
    """Files in /dev through which a guest holds the device: its IOMMU group's, and iommufd's of each part."""
    folders = [f"{DEVICES}/{function.address}" for function in subject.functions]
    folders += [f"{MDEVS}/{subject.mdev}"] if subject.mdev else []
    nodes: set[str] = set()
    for folder in folders:
        with suppress(Vanished):
            nodes.add(f"/dev/vfio/{sysfs.readlink(f'{folder}/iommu_group').rpartition('/')[2]}")
        nodes |= {f"/dev/vfio/devices/{name}" for name in names(sysfs, f"{folder}/vfio-dev")}
    return nodes


def _opened(sysfs: Sysfs, process: str) -> set[str]:
    """A process, or a file that it has open, may end while we look."""
    opened = set()
    for number in names(sysfs, f"proc/{process}/fd"):
        with suppress(Vanished):
            opened.add(sysfs.readlink(f"proc/{process}/fd/{number}"))
    return opened
