"""Reads memory, hugepages and NUMA nodes from /proc/meminfo, /sys/kernel/mm and /sys/devices/system/node."""

import re

from vfio.doctor.facts import MemoryFacts, Node
from vfio.doctor.reading import first, listed, told
from vfio.sysfs import Sysfs

_NODES = "sys/devices/system/node"
_POOLS = "sys/kernel/mm/hugepages"
_ORDER_2M = 9
_SETTINGS = ("etc/sysctl.d", "run/sysctl.d", "usr/lib/sysctl.d")


def read_memory(sysfs: Sysfs, command_line: str) -> MemoryFacts:
    fields = _meminfo(told(sysfs, "proc/meminfo"))
    asked, where = _asked(sysfs, command_line)
    return MemoryFacts(
        total_kib=fields.get("MemTotal"),
        hugepages=_pools(sysfs, _POOLS),
        hugepages_asked=asked,
        asked_where=where,
        default_kib=fields.get("Hugepagesize", 2048),
        nodes=_nodes(sysfs),
    )


def _meminfo(text: list[str]) -> dict[str, int]:
    """`MemTotal:  24684096 kB`, and per node `Node 0 MemTotal:  24684096 kB`."""
    found = {}
    for line in text:
        if matched := re.match(r"(?:Node \d+ )?(\w+):\s+(\d+)", line):
            found[matched[1]] = int(matched[2])
    return found


def _nodes(sysfs: Sysfs) -> tuple[Node, ...]:
    blocks = _large_blocks(sysfs)
    found = []
    for name in listed(sysfs, _NODES):
        if not re.fullmatch(r"node\d+", name):
            continue
        number, folder = int(name[4:]), f"{_NODES}/{name}"
        memory = _meminfo(told(sysfs, f"{folder}/meminfo")).get("MemTotal")
        if memory is not None:
            pools = _pools(sysfs, f"{folder}/hugepages")
            found.append(Node(number, memory, pools, blocks.get(number)))
    return tuple(sorted(found, key=lambda node: node.number))


def _pools(sysfs: Sysfs, folder: str) -> dict[int, int]:
    found = {}
    for name in listed(sysfs, folder):
        size = re.fullmatch(r"hugepages-(\d+)kB", name)
        count = first(sysfs, f"{folder}/{name}/nr_hugepages")
        if size and count.isdecimal():
            found[int(size[1])] = int(count)
    return found


def _large_blocks(sysfs: Sysfs) -> dict[int, int]:
    """`Node 0, zone   Normal  1 2 3 ...`: free runs by order, counted in 2 MiB pages."""
    found: dict[int, int] = {}
    for line in told(sysfs, "proc/buddyinfo"):
        matched = re.match(r"Node (\d+), zone\s+\w+\s+(.*)", line)
        if matched is None:
            continue
        counts = [int(word) for word in matched[2].split()]
        pages = sum(count << order for order, count in enumerate(counts[_ORDER_2M:]))
        found[int(matched[1])] = found.get(int(matched[1]), 0) + pages
    return found


def _asked(sysfs: Sysfs, command_line: str) -> tuple[int, str]:
    """What is said last: sysctl's files come after the command line, by their names, sysctl.conf at the end.
    Where a name is in several folders, the first of them has it."""
    asked, where = 0, ""
    for value in _default_sized(command_line):
        asked, where = value, f"/proc/cmdline: hugepages={value}"
    files: dict[str, str] = {}
    for folder in _SETTINGS:
        for name in listed(sysfs, folder):
            files.setdefault(name, f"{folder}/{name}")
    for path in (*(files[name] for name in sorted(files)), "etc/sysctl.conf"):
        for line in told(sysfs, path):
            if matched := re.match(r"\s*-?vm[./]nr_hugepages\s*=\s*(\d+)", line):
                asked, where = int(matched[1]), f"/{path}: vm.nr_hugepages={matched[1]}"
    return asked, where


def _default_sized(command_line: str) -> list[int]:
    found, default, size = [], None, None
    for word in command_line.split():
        key, _, value = word.partition("=")
        if key == "default_hugepagesz":
            default = size = value
        elif key == "hugepagesz":
            size = value
        elif key == "hugepages" and value.isdecimal() and size == default:
            found.append(int(value))
    return found
