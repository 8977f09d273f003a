"""Decides what a report says of cards and slices, from one look, the ledger and the claims. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from uuid import UUID

from kcloud_common.wire import CardReport, DeviceReport, DeviceState, Health, PcieLink, SliceKind
from kcloud_compute.card_health import health_reports
from kcloud_compute.cuts import abilities_report, sharing_report
from kcloud_compute.device_record import DeviceRecord
from kcloud_compute.inventory import Inventory
from kcloud_compute.marks import domain_marks, marks
from kcloud_compute.observed import Observed
from kcloud_compute.planner import LIVE
from vfio.device import Link
from vfio.slices.model import Card, Slice

MOST_CERTIFICATES = 64
"""In one report: with one for each of hundreds of slices it would be larger than the API takes."""


NO_TROUBLE: Mapping[str, str] = {}


def device_reports(
    inventory: Inventory, observed: Observed, troubles: Mapping[str, str] = NO_TROUBLE
) -> tuple[DeviceReport, ...]:
    """One for each slice that is there. `troubles`: what is tried in vain for devices, by name."""
    holders = {held.device: id for id, held in observed.claims.items() if held.device}
    taken = attached(observed)
    unsettled = inventory.unsettled
    health = health_reports(inventory)
    return one_after_the_other(
        _report(
            each,
            observed.devices.get(name) or DeviceRecord(device=name),
            _Custody(holders.get(name), taken, unsettled.get(each.card, ""), troubles.get(name, "")),
            _OfCard(health.get(each.card), inventory.serials.get(each.card, "")),
        )
        for name, each in inventory.slices.items()
    )


def one_after_the_other(reports: Iterable[DeviceReport]) -> tuple[DeviceReport, ...]:
    """Further certificates wait until those before them were taken; their devices are not handed out."""
    found, told = [], 0
    for report in reports:
        told += report.certificate is not None
        late = report.certificate is not None and told > MOST_CERTIFICATES
        found.append(report.model_copy(update={"certificate": None}) if late else report)
    return tuple(found)


def attached(observed: Observed) -> frozenset[str]:
    """Everything that guests have now."""
    live = (domain for domain in observed.domains.values() if domain.state in LIVE)
    return frozenset(mark for domain in live for mark in domain_marks(domain))


class _Custody:
    """Who has a slice, by journal and domains; why its card gets no new guests; what is tried in vain."""

    def __init__(self, claim: UUID | None, attached: Set[str], unsettled: str, trouble: str) -> None:
        self.claim, self.attached, self.unsettled, self.trouble = claim, attached, unsettled, trouble


@dataclass(frozen=True, slots=True)
class _OfCard:
    """What a slice has from its card."""

    health: Health | None
    serial: str


def _state(each: Slice, record: DeviceRecord, custody: _Custody) -> tuple[DeviceState, str]:
    """With the reason, where there is one."""
    state = DeviceState(record.state)
    if state in (DeviceState.QUARANTINED, DeviceState.SANITISING):
        return state, "; ".join(part for part in (record.reason, custody.trouble) if part)
    if custody.claim is not None or state in (DeviceState.CLAIMED, DeviceState.ATTACHED):
        taken = marks(each) & custody.attached
        return (DeviceState.ATTACHED if taken else DeviceState.CLAIMED), custody.trouble
    if custody.unsettled:
        return DeviceState.MAINTENANCE, custody.unsettled
    return state, record.reason


def _report(each: Slice, record: DeviceRecord, custody: _Custody, card: _OfCard) -> DeviceReport:
    state, reason = _state(each, record, custody)
    held = state in (DeviceState.CLAIMED, DeviceState.ATTACHED, DeviceState.SANITISING)
    return DeviceReport(
        name=each.name,
        card="" if each.card == each.name else each.card,
        kind=SliceKind(each.kind),
        slice_type=each.type,
        mdev=each.mdev,
        addresses=each.addresses,
        vendor_id=each.vendor_id,
        product_id=each.product_id,
        model=each.model,
        serial=card.serial,
        resource_class=each.resource_class,
        traits=each.traits,
        share=each.share,
        memory_mib=each.memory_mib,
        sharing=sharing_report(each.sharing),
        numa_node=each.numa_node,
        pci_path=each.pci_path,
        link=_link(each.link),
        state=state,
        claim_id=(custody.claim or record.claim_id) if held else None,
        generation=record.generation,
        release_count=record.release_count,
        reason=reason,
        health=card.health,
        certificate=record.certificate,
    )


def card_reports(inventory: Inventory, troubles: Mapping[str, str] = NO_TROUBLE) -> tuple[CardReport, ...]:
    """A card that is being cut differs from its layout, too: nobody may think that it stands."""
    unsettled = {
        name: f"{why}; {troubles[name]}" if name in troubles else why
        for name, why in inventory.unsettled.items()
    }
    return tuple(
        _card(decision.card, inventory, unsettled.get(decision.card.name, ""))
        for decision in inventory.decisions
    )


def _card(card: Card, inventory: Inventory, drift: str) -> CardReport:
    return CardReport(
        name=card.name,
        address=card.address,
        vendor_id=f"{card.device.vendor:04x}",
        product_id=f"{card.device.product:04x}",
        model=card.model,
        serial=inventory.serials.get(card.name, ""),
        memory_mib=card.memory_mib,
        abilities=abilities_report(card, inventory.abilities[card.name], inventory.slices.values()),
        class_code=f"{card.device.class_code:06x}",
        known=card.name in inventory.known,
        drift=drift,
    )


def burn_ins(inventory: Inventory, records: Mapping[str, DeviceRecord]) -> Counter[str]:
    """Done on each card and its slices, by the card's name."""
    done: Counter[str] = Counter()
    for name, each in inventory.slices.items():
        done[each.card] += records[name].release_count if name in records else 0
    return done


def _link(link: Link | None) -> PcieLink | None:
    return PcieLink(speed=link.speed, width=link.width) if link is not None else None


def cards_of(slices: Iterable[Slice]) -> frozenset[str]:
    return frozenset(each.card for each in slices)
