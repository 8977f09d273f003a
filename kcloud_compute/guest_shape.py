"""Decides the shape of a guest around its devices: room for BARs, NUMA cells, hugepages, time to start. Pure.

Sizes are in MiB unless a name says otherwise. Why each rule is there:
* Firmware gives 64-bit BARs an eighth of the physical address space, less than several large cards need.
* A guest whose CPUs show too few physical address bits silently loses cards once it has much memory.
* The kernel pins all memory of a guest with devices, page by page; firmware and kernel map every BAR.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hypervisor_drivers.spec import AddressSpace, CellSpec
from kcloud_common.wire import GuestShape

MIB = 1 << 20
_GIB = 1 << 10
_SMALL = 1 * _GIB
"""Below this sum, BARs fit whatever the firmware does."""
_LEAST_HOLE = 32 * _GIB
"""What QEMU's q35 gives of itself."""
_BELOW_4G = 2 * _GIB
"""Memory of a q35 machine that lies under its 32-bit window; the rest begins at 4 GiB."""
_HYPERTRANSPORT = 1012 * _GIB
"""AMD's hosts reserve what follows up to 1 TiB: QEMU then puts the memory above it."""
_TIB = 1 << 20

_BASE_SECONDS = 120.0
_SECONDS_PER_GIB = 0.5
"""Pinning in 4 KiB pages; minutes for a large guest have been reported, a tenth of it with hugepages."""
_SECONDS_PER_BAR_GIB = 0.5
"""Firmware and kernel mapping BARs: about 30 s for 128 GiB has been reported; twice that is allowed."""


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What of a device decides the shape. `bars`: bytes of each 64-bit memory BAR."""

    bars: tuple[int, ...] = ()
    numa_node: int | None = None


@dataclass(frozen=True, slots=True)
class HostNode:
    """One NUMA node of the host. `hugepages_free`: by size in KiB."""

    number: int
    cpus: str
    memory_mib: int
    hugepages_free: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class HostShape:
    """What the host can give. `phys_bits` None: it does not say."""

    nodes: tuple[HostNode, ...] = ()
    phys_bits: int | None = None


class Unfit(Exception):
    """This host cannot give the guest the shape that its flavor asks for; says why and what would help."""


def address_space(
    memory_mib: int, functions: Iterable[FunctionFacts], shape: GuestShape, host: HostShape
) -> AddressSpace | None:
    """None when nothing need be said. Unfit when the host's CPUs cannot address it."""
    bars = [_power_of_two(bar) for function in functions for bar in function.bars]
    needed = 2 * sum(bars) // MIB
    told = shape.phys_bits if shape.phys_bits_mode == "emulate" else None
    if needed <= 2 * _SMALL and shape.phys_bits_mode is None:
        return None
    hole = max(_LEAST_HOLE, _power_of_two(needed))
    bits = bits_for(memory_mib, hole)
    limit = told or host.phys_bits
    if limit is not None and bits > limit:
        raise Unfit(
            f"the guest needs {bits} bits of physical addresses ({memory_mib} MiB of memory and a window of "
            f"{hole // _GIB} GiB for its devices), and has {limit}: less memory, fewer devices"
            + (", or more bits in hw:maxphysaddr_bits" if told else "")
        )
    return AddressSpace(hole, told)


def bits_for(memory_mib: int, hole_mib: int) -> int:
    """Physical address bits that reach the end of the 64-bit window, which lies above all memory and begins
    at a multiple of its size."""
    top = memory_mib if memory_mib <= _BELOW_4G else 4 * _GIB + memory_mib - _BELOW_4G
    if top > _HYPERTRANSPORT:
        top = _TIB + memory_mib
    start = -(-top // hole_mib) * hole_mib
    return ((start + hole_mib) * MIB - 1).bit_length()


def cells(
    vcpus: int, memory_mib: int, shape: GuestShape, host: HostShape, nodes_of_devices: Sequence[int]
) -> tuple[CellSpec, ...]:
    """As many cells as the flavor asks for, on the nodes where the devices are, then on the emptiest others.
    Empty when it asks for none."""
    count = shape.numa_nodes
    if not count:
        return ()
    if count > vcpus or memory_mib % count:
        raise Unfit(f"{vcpus} vCPUs and {memory_mib} MiB cannot be shared out to {count} NUMA nodes evenly")
    near = list(dict.fromkeys(sorted(nodes_of_devices)))
    if len(near) > count:
        raise Unfit(
            f"its devices are on the host's NUMA nodes {', '.join(map(str, near))}, but the flavor asks for "
            f"{count}: hw:numa_nodes={len(near)} would show the guest all of them"
        )
    usable = [node for node in host.nodes if node.cpus]
    others = sorted((node for node in usable if node.number not in near), key=lambda node: -node.memory_mib)
    by_number = {node.number: node for node in host.nodes}
    chosen = [by_number[number] for number in near if number in by_number] + others
    if len(chosen) < count:
        raise Unfit(f"the flavor asks for {count} NUMA nodes, the host has {len(chosen)} with CPUs")
    chosen = sorted(chosen[:count], key=lambda node: node.number)
    each, more = divmod(vcpus, count)
    made, first = [], 0
    for place, node in enumerate(chosen):
        size = each + (place < more)
        numbers = tuple(range(first, first + size))
        made.append(CellSpec(numbers, memory_mib // count, node.number, node.cpus))
        first += size
    return tuple(made)


def cell_of(node: int | None, made: Sequence[CellSpec]) -> int | None:
    """Which cell shows the guest this node of the host."""
    return next((place for place, cell in enumerate(made) if cell.host_node == node), None) if made else None


def page_kib(memory_mib: int, shape: GuestShape, host: HostShape) -> int | None:
    """The size of hugepages to use; None for ordinary pages. Unfit when the host has none that would do."""
    asked = shape.page_size
    if asked in (None, "small", "any"):
        return None
    totals: dict[int, int] = {}
    for node in host.nodes:
        for size, free in node.hugepages_free.items():
            totals[size] = totals.get(size, 0) + free
    wanted = sorted(totals, reverse=True) if asked == "large" else [int(str(asked))]
    for size in wanted:
        if size and memory_mib * 1024 % size == 0 and totals.get(size, 0) * size >= memory_mib * 1024:
            return size
    there = ", ".join(f"{count} of {size} KiB" for size, count in sorted(totals.items())) or "none at all"
    raise Unfit(f"the flavor asks for hugepages ({asked}) under {memory_mib} MiB; free on the host: {there}")


def start_seconds(memory_mib: int, functions: Iterable[FunctionFacts], page: int | None) -> float:
    """How long a start may take before something must be wrong."""
    bars = sum(bar for function in functions for bar in function.bars) // MIB
    pinning = _SECONDS_PER_GIB * memory_mib / _GIB / (10 if page else 1)
    return _BASE_SECONDS + pinning + _SECONDS_PER_BAR_GIB * bars / _GIB


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length() if number > 0 else 0
