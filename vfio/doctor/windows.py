"""Checks of a card's memory windows: assigned, as large as they can be, and within reach of the CPU. Pure."""

from collections.abc import Iterator

from vfio.config_space import damage, parse
from vfio.device import PciDevice
from vfio.doctor.facts import Facts, FunctionFacts
from vfio.doctor.finding import Finding, Severity

_BARS = range(6)
_GIB = 1 << 30
_BELOW_4G = 2 * _GIB
_LEAST_WINDOW = 32 * _GIB


def bar_unassigned(facts: Facts) -> Iterator[Finding]:
    """A window of a card has no address: its driver cannot reach it, on the host or in a guest."""
    for card in facts.cards:
        if card.physfn is None and (index := _unassigned(facts.of(card.address))) is not None:
            yield Finding(
                Severity.ERROR,
                f"BAR {index} of {card.address} has no address",
                "the card cannot be used, by the host or by a guest",
                f"/sys/bus/pci/devices/{card.address}/resource: line {index + 1}",
                "switch Above 4G Decoding on in the firmware, or: "
                "add pci=realloc to the kernel's command line && reboot",
                card.address,
            )


def _unassigned(found: FunctionFacts) -> int | None:
    for window in found.resources:
        if window.index in _BARS and window.start == 0 and window.size > 1:
            return window.index
    if damage(found.config) is not None or not found.resources:
        return None
    known = {window.index for window in found.resources}
    bars = parse(found.config).bars
    upper = False
    for index, bar in enumerate(bars):
        if upper:
            upper = False
            continue
        upper = bar & 0x7 == 0x4
        if upper and index not in known:
            return index
    return None


def bar_small(facts: Facts) -> Iterator[Finding]:
    """A card shows only a part of its memory although it could show all (Resizable BAR is off)."""
    for card in facts.cards:
        found = facts.of(card.address)
        sizes = {window.index: window.size for window in found.resources}
        for index, largest in sorted(found.largest_bars.items()):
            if 1 < sizes.get(index, 0) < largest:
                yield Finding(
                    Severity.WARNING,
                    f"BAR {index} of {card.address} shows {_size(sizes[index])} of {_size(largest)}",
                    "transfers to the card's memory and between cards are slow; some drivers refuse the card",
                    f"/sys/bus/pci/devices/{card.address}/resource{index}_resize allows {_size(largest)}",
                    "switch Resizable BAR and Above 4G Decoding on in the firmware",
                    card.address,
                )


def phys_bits_small(facts: Facts) -> Iterator[Finding]:
    """The CPU's physical addresses do not reach over all memory and all cards at once."""
    bits, cards = facts.cpu.phys_bits, [card for card in facts.cards if card.physfn is None]
    if bits is None or not cards or facts.memory.total_kib is None:
        return
    memory = facts.memory.total_kib * 1024
    needed = bits_needed(memory, cards)
    if needed > bits:
        yield Finding(
            Severity.WARNING,
            f"a guest with all {len(cards)} cards and memory needs {needed} address bits, the CPU has {bits}",
            "such a guest silently lacks cards; smaller ones start",
            f"/proc/cpuinfo: {bits} bits physical; {_size(memory)} of memory; "
            f"BARs of {_size(sum(map(_bars, cards)))}",
            "offer flavors with fewer cards or less memory on this host",
        )


def bits_needed(memory: int, cards: list[PciDevice]) -> int:
    """Of a guest with this memory and these cards: the window for BARs lies above all memory, begins at a
    multiple of its size, and is twice as large as all BARs, each rounded up to a power of two."""
    window = max(_LEAST_WINDOW, _power_of_two(2 * sum(map(_bars, cards))))
    top = memory if memory <= _BELOW_4G else memory + _BELOW_4G
    return (-(-top // window) * window + window - 1).bit_length()


def _bars(card: PciDevice) -> int:
    return sum(_power_of_two(bar.size) for bar in card.bars if bar.is_64bit and not bar.is_io)


def _power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length() if size > 1 else size


def _size(amount: int) -> str:
    return f"{amount // _GIB} GiB" if amount >= _GIB else f"{amount >> 20} MiB"
