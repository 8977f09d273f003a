"""How the devices of a host hang together: NUMA nodes, the PCIe switches on them, devices below those. Pure.

Only what tells devices apart is kept. A bridge with one device below it (each device's own port) is left out,
and of bridges with the same devices below them there is one. A device that shares no bridge with another
counts as alone on a switch of its own, so that two such devices are two switches apart.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Device:
    """Where one device sits."""

    id: UUID
    address: str
    """Settles what nothing else does: the lower one first."""
    numa_node: int | None = None
    path: tuple[str, ...] = ()
    """The bridges above it, from the root complex down."""
    bandwidth: int = 0
    """Of its PCIe link, in any unit that all devices share."""


class Level(Enum):
    HOST = auto()
    NODE = auto()
    SWITCH = auto()
    DEVICE = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """One place in the tree, with every device below it in the order of addresses."""

    level: Level
    devices: tuple[Device, ...]
    branches: tuple["Branch", ...] = field(default=(), repr=False)

    def count(self, ids: Collection[UUID]) -> int:
        """How many of the devices below are among these."""
        return sum(device.id in ids for device in self.devices)

    def tops(self, level: Level) -> Iterator["Branch"]:
        """The highest branches of this level."""
        if self.level is level:
            yield self
            return
        for branch in self.branches:
            yield from branch.tops(level)


def tree_of(devices: Sequence[Device]) -> Branch:
    """The host's tree. A switch belongs to one NUMA node.

    Where no device says on which node it is, the host has one node. Where some say it, each of those that do
    not is on a node of its own: nothing shows that it is near another.
    """
    ordered = sorted(devices, key=lambda device: (device.address, device.id))
    some_say = any(device.numa_node is not None for device in ordered)
    nodes: dict[object, list[Device]] = {}
    for device in ordered:
        unknown = device.id if some_say else None
        nodes.setdefault(unknown if device.numa_node is None else device.numa_node, []).append(device)
    return Branch(Level.HOST, tuple(ordered), tuple(_node(members) for members in nodes.values()))


def _node(members: Sequence[Device]) -> Branch:
    branches = tuple(
        Branch(Level.SWITCH, branch.devices, (branch,)) if branch.level is Level.DEVICE else branch
        for branch in _below(members, 0)
    )
    return Branch(Level.NODE, tuple(members), branches)


def _below(members: Sequence[Device], depth: int) -> Iterator[Branch]:
    """What hangs directly below the bridge that all members share down to `depth`."""
    groups: dict[object, list[Device]] = {}
    for device in members:
        groups.setdefault(device.path[depth] if len(device.path) > depth else device.id, []).append(device)
    for group in groups.values():
        if len(group) == 1:
            yield Branch(Level.DEVICE, tuple(group))
            continue
        below = tuple(_below(group, depth + 1))
        same = len(below) == 1
        yield below[0] if same else Branch(Level.SWITCH, tuple(group), below)
