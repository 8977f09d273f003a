"""Assembles the host around simulated cards: ports, switches, NUMA nodes, a boot disk and an active NIC."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vfio.driver import VFIO_PCI
from vfio.sim.attributes import cpus_of
from vfio.sim.function import FakeFunction
from vfio.sim.host import FakeHost

SEATS_OF_DOMAIN = 24
_FIRST_BUS, _BUSES_OF_SEAT = 0x20, 9
_FIRST_GROUP = 20
_GROUPS_OF_SEAT = 12
_PORT_LINK = (32.0, 16)
_NODE_KIB = 512 << 20


@dataclass(frozen=True, slots=True)
class Seat:
    """A slot: the bus that a card gets there, the bridges above it, its node and its first free group."""

    bus: str
    """Domain and bus: `0000:21`."""
    path: tuple[str, ...]
    node: int
    group: int

    def card(
        self, model: FakeFunction, *, device: int = 0, function: int = 0, group: int = 0
    ) -> FakeFunction:
        """The model seated; `group` counts from the seat's first."""
        address = f"{self.bus}:{device:02x}.{function}"
        return replace(
            model,
            address=address,
            path=self.path,
            numa_node=self.node,
            group=self.group + group,
            serial=f"SIM{address.replace(':', '').replace('.', '').upper()}",
        )


def port(
    address: str, seat: Seat, *, path: tuple[str, ...], group: int, switch: bool = False
) -> FakeFunction:
    """A root port, or a port of a PCIe switch."""
    ids = (0x1000, 0xC030) if switch else (0x8086, 0x352A)
    return FakeFunction(
        address, *ids, 0x060400, driver="pcieport", group=group, numa_node=seat.node, path=path,
        reset_methods=("pm", "bus"), link=_PORT_LINK,
    )  # fmt: skip


def seat(index: int, count: int, *, domain: int = 0, nodes: int = 2) -> Seat:
    """The n-th slot of a host with `count`, each below its own root port; the first half is on node 0."""
    node = index * nodes // count if nodes else -1
    domain, place = domain + index // SEATS_OF_DOMAIN, index % SEATS_OF_DOMAIN
    bus = _FIRST_BUS + place * _BUSES_OF_SEAT
    return Seat(
        bus=f"{domain:04x}:{bus + 1:02x}",
        path=(f"{domain:04x}:{bus:02x}:01.0",),
        node=node,
        group=_FIRST_GROUP + index * _GROUPS_OF_SEAT,
    )


def below_root_port(place: Seat, *cards: FakeFunction) -> Iterator[FakeFunction]:
    yield port(place.path[0], place, path=(), group=place.group + _GROUPS_OF_SEAT - 1)
    yield from cards


def below_switch(place: Seat, models: tuple[FakeFunction, ...]) -> Iterator[FakeFunction]:
    """A root port, a PCIe switch, and each model below its own downstream port."""
    domain, _, bus = place.bus.partition(":")
    first = int(bus, 16)
    yield port(place.path[0], place, path=(), group=place.group + _GROUPS_OF_SEAT - 1)
    up = f"{place.bus}:00.0"
    yield port(up, place, path=place.path, group=place.group + _GROUPS_OF_SEAT - 2, switch=True)
    for index, model in enumerate(models):
        down = f"{domain}:{first + 1:02x}:{index:02x}.0"
        path = (*place.path, up)
        yield port(down, place, path=path, group=place.group + index, switch=True)
        below = Seat(f"{domain}:{first + 2 + index:02x}", (*path, down), place.node, place.group + 4)
        yield below.card(model, group=index)


_PORTS = tuple(
    FakeFunction(
        f"0000:00:0{n}.0", 0x8086, 0x352A, 0x060400, driver="pcieport", group=n, reset_methods=("pm", "bus")
    )
    for n in (1, 2)
)
_DISK = FakeFunction(
    "0000:01:00.0", 0x144D, 0xA80A, 0x010802, driver="nvme", group=10, path=("0000:00:01.0",)
)
_NIC = FakeFunction("0000:02:00.0", 0x8086, 0x1593, 0x020000, driver="ice", group=11, path=("0000:00:02.0",))
NIC = _NIC


def furnished(
    folder: Path, functions: Iterator[FakeFunction], *, memory_kib: tuple[int, ...] = ()
) -> FakeHost:
    """A host that boots from one disk, is reached over one NIC and has vfio-pci loaded. One that is in the
    folder already is taken as it stands. `memory_kib`: of each NUMA node; empty: no NUMA."""
    host = FakeHost(folder)
    if host.addresses():
        return host
    host.load_driver(VFIO_PCI)
    near = 0 if memory_kib else -1
    host.add(*(replace(each, numa_node=near) for each in (*_PORTS, _DISK, _NIC)), *functions)
    host.add_disk("nvme0n1", _DISK.address, mounted_at="/")
    host.add_nic("enp2s0", _NIC.address, up=True)
    _lay_nodes(host, memory_kib)
    return host


TWO_NODES = (_NODE_KIB, _NODE_KIB)


def _lay_nodes(host: FakeHost, memory_kib: tuple[int, ...]) -> None:
    top = "sys/devices/system/node"
    if not memory_kib:
        return
    everyone = range(len(memory_kib))
    host.put(f"{top}/online", _listed(list(everyone)))
    host.put(f"{top}/has_cpu", _listed(list(everyone)))
    host.put(f"{top}/has_memory", _listed([node for node in everyone if memory_kib[node]]))
    for node in everyone:
        host.put(f"{top}/node{node}/cpulist", f"{cpus_of(node)}\n")
        host.put(
            f"{top}/node{node}/distance",
            " ".join("10" if other == node else "21" for other in everyone) + "\n",
        )
        total = memory_kib[node]
        host.put(
            f"{top}/node{node}/meminfo",
            f"Node {node} MemTotal:       {total} kB\nNode {node} MemFree:        {total * 9 // 10} kB\n",
        )


def _listed(numbers: list[int]) -> str:
    return ",".join(map(str, numbers)) + "\n"
