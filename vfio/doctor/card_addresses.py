"""Decides which functions of a host are looked at: cards that rules name, their VFs, ports above. Pure."""

from vfio.device import Snapshot
from vfio.offer import OfferResult


def card_addresses(snapshot: Snapshot, result: OfferResult) -> tuple[str, ...]:
    """Offered ones with all they bring along, and refused ones that the host does not use itself."""
    named = {address for offer in result.offers for address in offer.addresses}
    for refusal in result.refusals:
        if refusal.code != "in_use":
            named.update(refusal.addresses)
    return tuple(sorted(named & snapshot.devices.keys()))


def looked_at(snapshot: Snapshot, cards: tuple[str, ...]) -> tuple[str, ...]:
    wanted = set(cards)
    for address in cards:
        wanted.update(bridge for bridge in snapshot.devices[address].pci_path if bridge in snapshot.devices)
    wanted.update(device.address for device in snapshot.devices.values() if device.physfn in wanted)
    return tuple(sorted(wanted))
