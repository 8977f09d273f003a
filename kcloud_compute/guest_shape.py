"""Decides the shape of a guest around its devices: room for BARs, NUMA cells, hugepages, time to start. Pure.

Sizes are in MiB unless a name says otherwise. Why each rule is there:
* Firmware gives 64-bit BARs an eighth of the physical address space, less than several large cards need.
* A guest whose CPUs show too few physical address bits silently loses cards once it has much memory.
* The kernel pins all memory of a guest with devices, page by page; firmware and kernel map every BAR.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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
"""Pinning in 4 KiB pages; minutes for a large guest have been reported. Hugepages take a tenth of it."""
_SECONDS_PER_BAR_GIB = 0.5
"""Firmware and kernel mapping BARs: about 30 s for 128 GiB has been reported; twice that is allowed."""


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What of a device decides the shape. `bars`: bytes of each 64-bit memory BAR."""

    bars: tuple[int, ...] = ()
    numa_node: int | None = None


@dataclass(frozen=True, slots=True)
class HostNode:
    """One NUMA node of the host. `hugepages_free` and `hugepages`, which are all of them: by size in KiB."""

    number: int
    cpus: str
    memory_mib: int
    hugepages_free: Mapping[int, int]
    hugepages: Mapping[int, int] = field(default_factory=dict)
    free_mib: int = field(default=0, compare=False)
    """Other at each look: what is made anew when a host's shape is another must not be for this."""

    @property
    def cpu_count(self) -> int:
        ranges = (part.partition("-") for part in self.cpus.split(",") if part.strip())
        return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)

    @property
    def holds_cells(self) -> bool:
        """A guest can have no part of a node without processors or without memory."""
        return bool(self.cpus) and self.memory_mib > 0


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
    """None when nothing need be said. Unfit when the host's CPUs cannot address it. The window has room for
    twice the BARs, and is a power of two that begins at a multiple of itself, as UEFI wants it; where that is
    more than the CPUs address, it ends behind the room."""
    bars = [_power_of_two(bar) for function in functions for bar in function.bars]
    needed = -(-2 * sum(bars) // MIB)
    told = shape.phys_bits if shape.phys_bits_mode == "emulate" else None
    if needed <= 2 * _SMALL and shape.phys_bits_mode is None:
        return None
    hole = max(_LEAST_HOLE, _power_of_two(needed))
    bits = bits_for(memory_mib, hole)
    limit = told or host.phys_bits
    if limit is not None and bits > limit:
        hole = max(_LEAST_HOLE, -(-needed // _GIB) * _GIB)
        bits = bits_for(memory_mib, hole, max(_GIB, max(bars, default=0) // MIB))
    if limit is not None and bits > limit:
        raise Unfit(
            f"the guest needs {bits} bits of physical addresses ({memory_mib} MiB of memory and a window of "
            f"{hole // _GIB} GiB for its devices), and has {limit}: less memory, fewer devices"
            + (", or more bits in hw:maxphysaddr_bits" if told else "")
        )
    return AddressSpace(hole, told)


def bits_for(memory_mib: int, hole_mib: int, aligned_mib: int | None = None) -> int:
    """Physical address bits that reach the end of the 64-bit window, which lies above all memory and begins
    at a multiple of `aligned_mib`, or else of its size."""
    top = memory_mib if memory_mib <= _BELOW_4G else 4 * _GIB + memory_mib - _BELOW_4G
    if top > _HYPERTRANSPORT:
        top = _TIB + memory_mib
    step = aligned_mib or hole_mib
    start = -(-top // step) * step
    return ((start + hole_mib) * MIB - 1).bit_length()


def seated(
    vcpus: int, memory_mib: int, shape: GuestShape, host: HostShape, nodes_of_devices: Sequence[int]
) -> tuple[tuple[CellSpec, ...], int | None]:
    """The guest's cells, and the size in KiB of the hugepages behind its memory: None for ordinary pages. As
    many cells as the flavor asks for, on the nodes where the devices are, then on the emptiest others; none
    when it asks for none. Unfit when the host has no room for them."""
    count = shape.numa_nodes
    if not count:
        return (), page_kib(memory_mib, shape, host)
    if count > vcpus or memory_mib % count:
        raise Unfit(f"{vcpus} vCPUs and {memory_mib} MiB cannot be shared out to {count} NUMA nodes evenly")
    refusal: Unfit | None = None
    for page in _sizes(memory_mib // count, shape, host):
        try:
            return _cells(vcpus, memory_mib, _Seat(count, vcpus, memory_mib, page), host, nodes_of_devices)
        except Unfit as error:
            refusal = refusal or error
    raise refusal or _no_pages(memory_mib, shape, host)


@dataclass(frozen=True, slots=True)
class _Seat:
    """What a node must have for one of so many equal cells."""

    count: int
    all_vcpus: int
    all_memory_mib: int
    page: int | None

    @property
    def memory_mib(self) -> int:
        return self.all_memory_mib // self.count

    @property
    def vcpus(self) -> int:
        return -(-self.all_vcpus // self.count)

    def fits(self, node: HostNode) -> bool:
        if self.page and node.hugepages_free.get(self.page, 0) * self.page < self.memory_mib * 1024:
            return False
        return node.memory_mib >= self.memory_mib and node.cpu_count >= self.vcpus

    def __str__(self) -> str:
        pages = f" in free pages of {self.page} KiB" if self.page else ""
        return f"{self.vcpus} vCPUs and {self.memory_mib} MiB{pages}"


def _cells(
    vcpus: int, memory_mib: int, seat: _Seat, host: HostShape, nodes_of_devices: Sequence[int]
) -> tuple[tuple[CellSpec, ...], int | None]:
    usable = {node.number: node for node in host.nodes if node.holds_cells}
    if len(usable) < seat.count:
        raise Unfit(f"the flavor asks for {seat.count} NUMA nodes, the host has {len(usable)} with CPUs")
    # A device beside a node without processors or memory is near to nothing that a guest can have.
    near = [number for number in sorted(set(nodes_of_devices)) if number in usable]
    if len(near) > seat.count:
        raise Unfit(
            f"its devices are on the host's NUMA nodes {', '.join(map(str, near))}, but the flavor asks for "
            f"{seat.count}: hw:numa_nodes={len(near)} would show the guest all of them"
        )
    for number in near:
        if not seat.fits(usable[number]):
            raise Unfit(f"the host's NUMA node {number}, where its devices are, has no room for {seat}")
    others = [node for number, node in usable.items() if number not in near and seat.fits(node)]
    others.sort(key=lambda node: (-node.hugepages_free.get(seat.page or 0, 0), -node.free_mib, node.number))
    chosen = [usable[number] for number in near] + others
    if len(chosen) < seat.count:
        raise Unfit(f"{len(chosen)} NUMA nodes of the host have room for {seat}, not {seat.count}")
    chosen = sorted(chosen[: seat.count], key=lambda node: node.number)
    each, more = divmod(vcpus, seat.count)
    made, first = [], 0
    for place, node in enumerate(chosen):
        size = each + (place < more)
        numbers = tuple(range(first, first + size))
        made.append(CellSpec(numbers, seat.memory_mib, node.number, node.cpus))
        first += size
    return tuple(made), seat.page


def cell_of(node: int | None, made: Sequence[CellSpec]) -> int | None:
    """Which cell shows the guest this node of the host."""
    return next((place for place, cell in enumerate(made) if cell.host_node == node), None) if made else None


def page_kib(memory_mib: int, shape: GuestShape, host: HostShape) -> int | None:
    """The same for a guest without cells, whose pages may come from any node."""
    totals = _free_pages(host)
    for size in _sizes(memory_mib, shape, host):
        if size is None or totals.get(size, 0) * size >= memory_mib * 1024:
            return size
    raise _no_pages(memory_mib, shape, host)


def _sizes(each_mib: int, shape: GuestShape, host: HostShape) -> Sequence[int | None]:
    """Of pages, in the order in which they are to be tried; None stands for ordinary ones. A page does not
    lie in two cells."""
    if shape.page_size in (None, "small", "any"):
        return (None,)
    large = shape.page_size == "large"
    sizes = sorted(_free_pages(host), reverse=True) if large else [int(str(shape.page_size))]
    return [size for size in sizes if size and each_mib * 1024 % size == 0]


def _free_pages(host: HostShape) -> dict[int, int]:
    totals: dict[int, int] = {}
    for node in host.nodes:
        for size, free in node.hugepages_free.items():
            totals[size] = totals.get(size, 0) + free
    return totals


def _no_pages(memory_mib: int, shape: GuestShape, host: HostShape) -> Unfit:
    there = ", ".join(f"{count} of {size} KiB" for size, count in sorted(_free_pages(host).items()))
    return Unfit(
        f"the flavor asks for hugepages ({shape.page_size}) under {memory_mib} MiB; "
        f"free on the host: {there or 'none at all'}"
    )


def start_seconds(memory_mib: int, functions: Iterable[FunctionFacts]) -> float:
    """How long a start may take before something must be wrong."""
    bars = sum(bar for function in functions for bar in function.bars) // MIB
    return _BASE_SECONDS + _SECONDS_PER_GIB * memory_mib / _GIB + _SECONDS_PER_BAR_GIB * bars / _GIB


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length() if number > 0 else 0
