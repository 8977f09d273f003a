"""Decides what the readings of a host's cards mean: what a report says of them, and which are ill. Pure."""

from kcloud_common.wire import Health, PcieLink
from kcloud_compute.inventory import Inventory
from vfio.accepted_link import expected
from vfio.device import Link
from vfio.health import Finding, Reading, faults, judge

_ASLEEP = frozenset({"link-lost"})
"""A card that saves power looks like this as well: too deep asleep to be asked for its link."""
_COUNTED = frozenset({"aer-correctable"})
"""Told as a number already."""


def health_reports(inventory: Inventory) -> dict[str, Health]:
    """Of each card that was read, by name."""
    return {name: _report(inventory, name, reading) for name, reading in inventory.health.items()}


def ill(inventory: Inventory) -> dict[str, str]:
    """Cards that show a fault, with the evidence, by name."""
    found = {}
    for name in inventory.health:
        if bad := [each.evidence for each in faults(_judged(inventory, name)) if each.code not in _ASLEEP]:
            found[name] = "; ".join(bad)
    return found


def _judged(inventory: Inventory, name: str) -> tuple[Finding, ...]:
    card = inventory.cards()[name]
    right = expected(card.link, inventory.accepted.get(card.address))
    return judge(inventory.well.get(name), inventory.health[name], right)


def _report(inventory: Inventory, name: str, reading: Reading) -> Health:
    told = (each for each in _judged(inventory, name) if each.code not in _COUNTED | _ASLEEP)
    return Health(
        aer_correctable=reading.correctable,
        aer_nonfatal=reading.nonfatal,
        aer_fatal=reading.fatal,
        link=_link(reading.link),
        xid=reading.xids[-1] if reading.xids else None,
        evidence="; ".join(each.evidence for each in told),
    )


def _link(link: Link | None) -> PcieLink | None:
    return PcieLink(speed=link.speed, width=link.width) if link is not None else None
