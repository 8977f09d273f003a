"""Checks of a card's health as the host can see it: its link and its error counters. Pure."""

from collections.abc import Iterator

from vfio.device import PciDevice
from vfio.doctor.facts import Facts
from vfio.doctor.finding import Finding, Severity
from vfio.offer import seated_link

_D = "/sys/bus/pci/devices"
_IDLE_SPEED = 2.5
"""Where GPUs take their link when they have nothing to do."""
_DISPLAY = 0x03
_MANY_CORRECTABLE = 10_000


def link_narrow(facts: Facts) -> Iterator[Finding]:
    """A link runs on fewer lanes than card and slot have. Width is never given up to save power."""
    for card in facts.cards:
        can, now = seated_link(facts.snapshot, card), facts.of(card.address).link
        if can is not None and now is not None and now.width < can.width:
            yield Finding(
                Severity.WARNING,
                f"the link of {card.address} has {now.width} lanes of {can.width}",
                "transfers take longer by as much; often the first sign of a bad seat, riser or cable",
                f"{_D}/{card.address}/current_link_width: {now.width}",
                "power the host off, reseat the card and its riser",
                card.address,
            )


def link_slow(facts: Facts) -> Iterator[Finding]:
    """A link runs slower than card and slot can, and not because the card saves power."""
    for card in facts.cards:
        can, now = seated_link(facts.snapshot, card), facts.of(card.address).link
        if can is None or now is None or now.speed >= can.speed or _saves_power(facts, card):
            continue
        yield Finding(
            Severity.WARNING,
            f"the link of {card.address} runs at {now.speed:g} GT/s of {can.speed:g}",
            "transfers take longer by as much; often the first sign of a bad seat, riser or cable",
            f"{_D}/{card.address}/current_link_speed: {now.speed:g} GT/s, power_state: D0",
            "power the host off, reseat the card and its riser; then see the slot's speed in the firmware",
            card.address,
        )


def _saves_power(facts: Facts, card: PciDevice) -> bool:
    found = facts.of(card.address)
    if found.power_state not in (None, "D0") or found.power_control == "auto":
        return True
    idle = found.link is not None and found.link.speed <= _IDLE_SPEED
    return idle and card.class_code >> 16 == _DISPLAY


def aer_fatal(facts: Facts) -> Iterator[Finding]:
    """Fatal errors on the PCI Express link of a card, or of the port above it, since boot."""
    for address, subject in _links(facts):
        if count := _latest(facts, address, "fatal"):
            yield Finding(
                Severity.ERROR,
                f"{address} had {count} fatal PCI Express errors since boot",
                f"the link of {subject} broke down; a guest that has the card loses it, or the host stops",
                f"{_D}/{address}/aer_dev_fatal: TOTAL_ERR_FATAL {count}",
                f"dmesg | grep {address}; power the host off, reseat the card; if it comes again, replace it",
                address,
            )


def aer_nonfatal(facts: Facts) -> Iterator[Finding]:
    """Uncorrectable errors on a card's link since boot."""
    for address, subject in _links(facts):
        if count := _latest(facts, address, "nonfatal"):
            yield Finding(
                Severity.WARNING,
                f"{address} had {count} uncorrectable PCI Express errors since boot",
                f"work on {subject} failed or was repeated; watch whether the number grows",
                f"{_D}/{address}/aer_dev_nonfatal: TOTAL_ERR_NONFATAL {count}",
                f"dmesg | grep {address}; when it grows, reseat the card",
                address,
            )


def aer_rising(facts: Facts) -> Iterator[Finding]:
    """Errors on a card's link grew while we looked."""
    for address, subject in _links(facts):
        found = facts.of(address)
        rise = {
            kind: count - found.aer[kind]
            for kind, count in found.aer_later.items()
            if count > found.aer.get(kind, count)
        }
        if rise:
            kind, more = max(rise.items(), key=lambda pair: pair[1])
            yield Finding(
                Severity.WARNING,
                f"PCI Express errors of {address} are rising: {more} {kind} while we looked",
                f"the link of {subject} is bad now: slow at best, and likely to break down",
                f"{_D}/{address}/aer_dev_{kind}: {found.aer[kind]}, then {found.aer_later[kind]}",
                "power the host off, reseat the card and its riser",
                address,
            )


def aer_many_corrected(facts: Facts) -> Iterator[Finding]:
    """A link corrected very many errors since boot."""
    for address, subject in _links(facts):
        if (count := _latest(facts, address, "correctable")) >= _MANY_CORRECTABLE:
            yield Finding(
                Severity.WARNING,
                f"{address} corrected {count} PCI Express errors since boot",
                f"the link of {subject} is marginal: each error costs time, and worse ones follow",
                f"{_D}/{address}/aer_dev_correctable: TOTAL_ERR_COR {count}",
                "power the host off, reseat the card and its riser",
                address,
            )


def _links(facts: Facts) -> list[tuple[str, str]]:
    """Both ends of each card's link, with the card's address."""
    ends: dict[str, str] = {}
    for card in facts.cards:
        ends[card.address] = card.address
        if card.pci_path:
            ends.setdefault(card.pci_path[-1], card.address)
    return sorted(ends.items())


def _latest(facts: Facts, address: str, kind: str) -> int:
    found = facts.of(address)
    return max(found.aer.get(kind, 0), found.aer_later.get(kind, 0))
