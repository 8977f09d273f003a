"""Decides whether a host can make the machine that a flavor's `hw:` extra specs ask for. Pure.

Placement knows amounts; here are their seats: NUMA nodes that can hold a guest's cells, hugepages behind
them, and address bits. Pages are counted twice, since a report is always a little old: of all pages no more
may be promised to servers than there are; and of those that it calls free servers on their way (`moving`) may
have some already, while others that it calls taken are theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kcloud_api.placement.constraints import Constraint
from kcloud_common.wire import GuestShape

WEIGHTS = {"too_few_free_pages": 1000, "numa_nodes_too_small": 6000, "too_few_address_bits": 7000,
           "too_few_numa_nodes": 7000}  # fmt: skip
"""How far from serving a host is (judging.WEIGHTS): what another server gives back is nearest."""

ORDINARY = (None, "small", "any")


@dataclass(frozen=True, slots=True)
class Guest:
    """The machine that is asked for. The guest's cells share it out evenly."""

    vcpus: int
    memory_mib: int
    shape: GuestShape

    @property
    def is_plain(self) -> bool:
        """Any host makes it that has the amounts."""
        return not self.shape.numa_nodes and not self.has_pages and self.shape.phys_bits is None

    @property
    def has_pages(self) -> bool:
        return self.shape.page_size not in ORDINARY

    @property
    def cells(self) -> int:
        return max(1, self.shape.numa_nodes)

    @property
    def cell_kib(self) -> int:
        return -(-self.memory_mib * 1024 // self.cells)

    def pages_of(self, sizes: Mapping[int, int]) -> tuple[int, int] | None:
        """By the numbers of pages that a host has of each size in KiB: the size that this guest would use
        there, and how many; None where none would do."""
        fitting = (size for size in self.sizes(sizes) if sizes.get(size, 0) >= self.memory_mib * 1024 // size)
        size = next(fitting, None)
        return None if size is None else (size, self.memory_mib * 1024 // size)

    def sizes(self, there: Mapping[int, object]) -> tuple[int, ...]:
        """In the order in which they are to be tried. A page does not lie in two cells."""
        if not self.has_pages:
            return ()
        large = self.shape.page_size == "large"
        named = sorted(there, reverse=True) if large else [int(str(self.shape.page_size))]
        return tuple(size for size in named if size and self.cell_kib % size == 0)


@dataclass(frozen=True, slots=True)
class Pages:
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Node:
    """One NUMA node of a host. `pages`: by size in KiB."""

    number: int
    cpus: int
    memory_mib: int
    pages: Mapping[int, Pages] = field(default_factory=dict)

    @property
    def holds_cells(self) -> bool:
        """A node without processors or without memory cannot be a guest's."""
        return self.cpus > 0 and self.memory_mib > 0


@dataclass(frozen=True, slots=True)
class Machine:
    """What a host says of itself, and what servers there have been promised. `nodes` None: it does not say,
    and is tried."""

    nodes: tuple[Node, ...] | None = None
    phys_bits: int | None = None
    promised: Mapping[int, int] = field(default_factory=dict)
    """Pages of each size, to all servers of the host, running or not."""
    moving: Mapping[int, int] = field(default_factory=dict)
    """Those of them that belong to servers which start or end just now."""

    def pages(self) -> dict[int, Pages]:
        """Of each size, on all nodes."""
        sums: dict[int, Pages] = {}
        for node in self.nodes or ():
            for size, pages in node.pages.items():
                before = sums.get(size, Pages(0, 0))
                sums[size] = Pages(before.total + pages.total, before.free + pages.free)
        return sums

    def left(self, size: int) -> int:
        """Pages of this size that a guest could get now."""
        pages = self.pages().get(size, Pages(0, 0))
        return max(0, min(pages.total - self.promised.get(size, 0), pages.free + self.moving.get(size, 0)))


@dataclass(frozen=True, slots=True)
class Seats:
    """Where the guest's cells may lie. Devices sit on nodes of `nodes`; None: on any, it has no cells.
    `blind` are nodes that no guest has, so that devices there are near to nothing."""

    nodes: frozenset[int] | None = None
    blind: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Lacking:
    """What stands in the way, and what the host has of it."""

    constraint: Constraint
    has: tuple[int, ...]


UNTOLD = Machine()


def seats(guest: Guest, machine: Machine) -> Seats | Lacking:
    bits = guest.shape.phys_bits
    if bits is not None and machine.phys_bits is not None and bits > machine.phys_bits:
        words = (f"hw:maxphysaddr_bits={bits}",)
        return Lacking(Constraint("too_few_address_bits", amount=bits, names=words), (machine.phys_bits,))
    if machine.nodes is None:
        return Seats()
    found = _roomy(guest, machine.nodes)
    if isinstance(found, Lacking):
        return found
    if guest.has_pages:
        paged = _paged(guest, machine, found)
        if isinstance(paged, Lacking):
            return paged
        found = paged
    if not guest.shape.numa_nodes:
        return Seats()
    blind = frozenset(node.number for node in machine.nodes if not node.holds_cells)
    return Seats(frozenset(node.number for node in found), blind)


def _roomy(guest: Guest, nodes: tuple[Node, ...]) -> tuple[Node, ...] | Lacking:
    """Nodes that could hold a cell of the guest if it were alone; all, of one without cells."""
    count = guest.shape.numa_nodes
    if not count:
        return nodes
    usable = tuple(node for node in nodes if node.holds_cells)
    asked = f"hw:numa_nodes={count}"
    if len(usable) < count:
        return Lacking(Constraint("too_few_numa_nodes", amount=count, names=(asked,)), (len(usable),))
    cpus, memory = -(-guest.vcpus // count), -(-guest.memory_mib // count)
    roomy = tuple(node for node in usable if node.cpus >= cpus and node.memory_mib >= memory)
    if len(roomy) < count:
        size = f"{cpus} VCPU and {memory} MEMORY_MB"
        return Lacking(Constraint("numa_nodes_too_small", amount=count, names=(asked, size)), (len(roomy),))
    return roomy


def _paged(guest: Guest, machine: Machine, nodes: tuple[Node, ...]) -> tuple[Node, ...] | Lacking:
    """Those of the nodes that have pages for a cell, where the host has enough of that size in all."""
    there = machine.pages()
    for size in guest.sizes(there):
        if machine.left(size) * size < guest.memory_mib * 1024:
            continue
        each = guest.cell_kib // size
        moving = machine.moving.get(size, 0)
        able = tuple(node for node in nodes if _can_give(node, size, each, moving))
        if not guest.shape.numa_nodes or len(able) >= guest.cells:
            return able
    sizes = guest.sizes(there) or tuple(sorted(there, reverse=True))
    left = max((machine.left(size) * size // 1024 for size in sizes), default=0)
    asked = f"hw:mem_page_size={guest.shape.page_size}"
    if guest.shape.numa_nodes:
        asked += f" on {guest.cells} NUMA nodes"
    return Lacking(Constraint("too_few_free_pages", amount=guest.memory_mib, names=(asked,)), (left,))


def _can_give(node: Node, size: int, each: int, moving: int) -> bool:
    pages = node.pages.get(size, Pages(0, 0))
    return pages.total >= each and pages.free + moving >= each
