"""What this host offers to guests, from one scan of its PCI devices and the operator's rules."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from kcloud_common.wire import DeviceReport, DeviceState, PcieLink
from kcloud_compute.observed import Held
from vfio.device import Snapshot
from vfio.hostuse import in_use
from vfio.offer import Offer, OfferRule, Refusal, offers
from vfio.scan import scan
from vfio.sysfs import Sysfs

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inventory:
    """One scan, judged."""

    snapshot: Snapshot
    offers: tuple[Offer, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    def offered(self) -> Mapping[str, tuple[str, ...]]:
        return {offer.name: offer.addresses for offer in self.offers}


def take_inventory(sysfs: Sysfs, rules: Sequence[OfferRule]) -> Inventory:
    """Raises vfio's SysfsError when the host may not be read."""
    snapshot = scan(sysfs)
    result = offers(snapshot, rules, in_use(sysfs))
    return Inventory(snapshot, result.offers, result.refusals)


def device_reports(
    inventory: Inventory, claims: Mapping[UUID, Held], quarantined: Mapping[UUID, str]
) -> tuple[DeviceReport, ...]:
    """`claims` by the journal; `quarantined`: claims whose devices did not come back, and why."""
    holders = {address: claim for claim, held in claims.items() for address in held.addresses}
    return tuple(_device_report(offer, holders, quarantined) for offer in inventory.offers)


def _device_report(
    offer: Offer, holders: Mapping[str, UUID], quarantined: Mapping[UUID, str]
) -> DeviceReport:
    claim = next((holders[address] for address in offer.addresses if address in holders), None)
    reason = quarantined.get(claim, "") if claim else ""
    free = DeviceState.FREE if claim is None else DeviceState.CLAIMED
    return DeviceReport(
        name=offer.name,
        addresses=offer.addresses,
        vendor_id=offer.vendor_id,
        product_id=offer.product_id,
        resource_class=offer.resource_class,
        traits=offer.traits,
        numa_node=offer.numa_node,
        pci_path=offer.pci_path,
        link=PcieLink(speed=offer.link.speed, width=offer.link.width) if offer.link else None,
        state=DeviceState.QUARANTINED if reason else free,
        claim_id=claim,
        reason=reason,
    )


def log_refusals(before: Sequence[Refusal], now: Sequence[Refusal]) -> None:
    """Once each: an operator wants to know why a card is not offered."""
    for refusal in now:
        if refusal not in before:
            facts = {"code": refusal.code, "device": ",".join(refusal.addresses), "reason": refusal.reason}
            log.warning("device_not_offered", extra=facts)
