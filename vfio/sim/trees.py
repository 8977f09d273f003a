"""Builds named fake hosts: known machines, by the cards that they have, and odd ones.

A name may carry a count: `rngd-x8` has eight cards. What a card does here that is not published is a property
of the simulated card (vfio.sim.cards).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from vfio.sim import cards
from vfio.sim.function import FakeFunction
from vfio.sim.host import FakeHost
from vfio.sim.machine import NIC, TWO_NODES, Seat, below_root_port, below_switch, furnished, seat

_COUNTED = re.compile(r"(.+?)-x([1-9]\d{0,2})\Z")
_MOST_CARDS = 240


def build(name: str, folder: Path) -> FakeHost:
    """The named host in the folder; one that is there already is taken as it stands. ValueError: no such."""
    base, count = parse(name)
    if base in _ODD:
        return _ODD[base](folder)
    if base == "upmem":
        return _upmem(folder, count)
    if base == "hgx-h100":
        return furnished(folder, _hgx(), memory_kib=TWO_NODES)
    return furnished(folder, _SEATED[base](count), memory_kib=TWO_NODES)


def parse(name: str) -> tuple[str, int]:
    """Which tree, and how many cards. ValueError says what names there are."""
    found = _COUNTED.match(name)
    base, count = (found[1], int(found[2])) if found else (name, 0)
    if base not in NAMES or count > _MOST_CARDS or (count and base not in _COUNTS):
        counted = ", ".join(f"{each}[-xN]" if each in _COUNTS else each for each in NAMES)
        raise ValueError(f"no simulated host is called {name!r}; there are {counted}")
    return base, count or _COUNTS.get(base, 0)


# --- hosts with a number of one card -------------------------------------------------------------------


def _simple(model: FakeFunction) -> Callable[[int], Iterator[FakeFunction]]:
    def functions(count: int) -> Iterator[FakeFunction]:
        for index in range(count):
            place = seat(index, count)
            yield from below_root_port(place, place.card(model))

    return functions


def _a100(count: int) -> Iterator[FakeFunction]:
    """The last quarter is in MIG mode, with one instance of three and two of two parts each."""
    for index in range(count):
        place = seat(index, count)
        card = place.card(cards.A100)
        if index >= count - count // 4 and card.board is not None:
            card = replace(card, board=replace(card.board, mig=True))
        yield from below_root_port(place, card)


def _mixed(model: FakeFunction) -> FakeFunction:
    return replace(model, board=model.board and replace(model.board, mixed=True))


def _ca25(count: int) -> Iterator[FakeFunction]:
    """Four functions a slot, each in a group of its own."""
    for index in range(count):
        place = seat(index, count)
        parts = (place.card(cards.CA25, function=number, group=number) for number in range(4))
        yield from below_root_port(place, *parts)


def _hgx() -> Iterator[FakeFunction]:
    """Four PCIe switches with two GPUs each, two on each node, and a fifth with the NVSwitches."""
    for index in range(4):
        yield from below_switch(seat(index, 4), (cards.H100, cards.H100))
    yield from below_switch(replace(seat(4, 5), node=0), (cards.NVSWITCH,) * 4)


# --- odd ones ------------------------------------------------------------------------------------------


def _no_numa(folder: Path) -> FakeHost:
    """The firmware tells no NUMA node of anything."""
    places = [seat(index, 2, nodes=0) for index in range(2)]
    return furnished(folder, _each(places, cards.L40S))


def _memoryless_node(folder: Path) -> FakeHost:
    """The card hangs on node 1, which has processors and no memory."""
    return furnished(folder, _each([seat(1, 2)], cards.A100), memory_kib=(TWO_NODES[0], 0))


def _second_domain(folder: Path) -> FakeHost:
    """PCI domain 0001, as servers with many host bridges have."""
    return furnished(folder, _each([seat(0, 1, domain=1)], cards.RNGD), memory_kib=TWO_NODES)


def _wide_domain(folder: Path) -> FakeHost:
    """A domain above ffff, as behind a volume management device."""
    return furnished(folder, _each([seat(0, 1, domain=0x10000)], cards.RNGD), memory_kib=TWO_NODES)


def _seven_in_a_group(folder: Path) -> FakeHost:
    """Seven functions of one device that nothing isolates from each other."""
    place = seat(0, 1)
    parts = (place.card(cards.CA25, function=number) for number in range(7))
    return furnished(folder, below_root_port(place, *parts), memory_kib=TWO_NODES)


def _shared_with_nic(folder: Path) -> FakeHost:
    """A card in one IOMMU group with a NIC that the host is reached over."""
    place = seat(0, 1)
    nic = place.card(NIC, device=1)
    host = furnished(folder, below_root_port(place, place.card(cards.L40S), nic), memory_kib=TWO_NODES)
    if nic.address not in host.nics():
        host.add_nic("enp33s1", nic.address, up=True)
    return host


def _many_functions(folder: Path) -> FakeHost:
    """Sixteen cards with sixteen VFs each, all enabled."""
    model = replace(cards.RNGD, total_vfs=16)
    host = furnished(folder, _each([seat(n, 16) for n in range(16)], model), memory_kib=TWO_NODES)
    for index in range(16):
        address = f"{seat(index, 16).bus}:00.0"
        host.sysfs().write(f"sys/bus/pci/devices/{address}/sriov_numvfs", "16")
    return host


def _each(places: list[Seat], model: FakeFunction) -> Iterator[FakeFunction]:
    for place in places:
        yield from below_root_port(place, place.card(model))


def _upmem(folder: Path, count: int) -> FakeHost:
    """Memory modules, two ranks each: no PCI function among them."""
    host = furnished(folder, iter(()), memory_kib=TWO_NODES)
    for rank in range(2 * count):
        host.put(f"sys/class/dpu_rank/dpu_rank{rank}/is_owned", "0\n")
    return host


_SEATED: dict[str, Callable[[int], Iterator[FakeFunction]]] = {
    "a100": _a100,
    "l40s": _simple(cards.L40S),
    "l40s-mixed": _simple(_mixed(cards.L40S)),
    "t4": _simple(cards.T4),
    "mi300x": _simple(cards.MI300X),
    "flex170": _simple(cards.FLEX170),
    "b60": _simple(cards.B60),
    "rngd": _simple(cards.RNGD),
    "warboy": _simple(cards.WARBOY),
    "ca22": _simple(cards.CA22),
    "ca25": _ca25,
    "gaudi3": _simple(cards.GAUDI3),
}
_ODD: dict[str, Callable[[Path], FakeHost]] = {
    "no-numa": _no_numa,
    "memoryless-node": _memoryless_node,
    "domain-0001": _second_domain,
    "domain-10000": _wide_domain,
    "seven-in-a-group": _seven_in_a_group,
    "shared-with-nic": _shared_with_nic,
    "many-functions": _many_functions,
}
_COUNTS = {
    "a100": 8, "l40s": 4, "l40s-mixed": 4, "t4": 4, "mi300x": 8, "flex170": 4, "b60": 4, "rngd": 8,
    "warboy": 4, "ca22": 8, "ca25": 4, "gaudi3": 8, "upmem": 20,
}  # fmt: skip
"""How many cards each has unless its name says so."""

NAMES = (*_SEATED, "hgx-h100", "upmem", *_ODD)
