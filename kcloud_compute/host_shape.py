"""Reads what of this host decides the shape of guests: NUMA nodes, hugepages, physical address bits."""

import re
from contextlib import suppress

from kcloud_compute.guest_shape import HostNode, HostShape
from vfio.errors import Vanished
from vfio.reading import lines, names
from vfio.sysfs import Sysfs

_NODES = "sys/devices/system/node"
_NODE = re.compile(r"node(\d+)\Z")
_PAGES = re.compile(r"hugepages-(\d+)kB\Z")
_TOTAL = re.compile(r"MemTotal:\s+(\d+) kB")
_FREE = re.compile(r"MemFree:\s+(\d+) kB")
_BITS = re.compile(r"address sizes\s*: (\d+) bits physical")


def read_shape(sysfs: Sysfs) -> HostShape:
    """A kernel without NUMA shows no nodes."""
    found = []
    for name in names(sysfs, _NODES):
        if match := _NODE.match(name):
            with suppress(Vanished):
                found.append(_node(sysfs, int(match[1])))
    bits = next(
        (int(match[1]) for line in lines(sysfs, "proc/cpuinfo") if (match := _BITS.match(line))), None
    )
    return HostShape(tuple(sorted(found, key=lambda node: node.number)), bits)


def _node(sysfs: Sysfs, number: int) -> HostNode:
    folder = f"{_NODES}/node{number}"
    memory = sysfs.read_text(f"{folder}/meminfo")
    free: dict[int, int] = {}
    every: dict[int, int] = {}
    for name in names(sysfs, f"{folder}/hugepages"):
        if match := _PAGES.match(name):
            free[int(match[1])] = int(sysfs.read_text(f"{folder}/hugepages/{name}/free_hugepages"))
            every[int(match[1])] = int(sysfs.read_text(f"{folder}/hugepages/{name}/nr_hugepages"))
    cpus = sysfs.read_text(f"{folder}/cpulist").strip()
    return HostNode(number, cpus, _mib(_TOTAL, memory), free, every, _mib(_FREE, memory))


def _mib(line: re.Pattern[str], text: str) -> int:
    found = line.search(text)
    return int(found[1]) // 1024 if found else 0
