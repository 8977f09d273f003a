"""Writes what a host reports of its cards and slices; what operators want of them, and claims, stay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from kcloud_api.accelerator import certifying, oddities, remembering, shapes, vanishing
from kcloud_api.accelerator.inventory import MISSING, Slice, device_providers, provider_id
from kcloud_api.accelerator.standing import offer, standing
from kcloud_api.accelerator.tables import CardRow, ClaimRow, DeviceRow
from kcloud_api.db.columns import utcnow
from kcloud_api.placement.inventory import ProviderInventory
from kcloud_api.placement.names import canonical_class
from kcloud_common.wire import CardReport, DeviceReport, DeviceState

DIRTY = frozenset(
    {DeviceState.CLAIMED, DeviceState.ATTACHED, DeviceState.SANITISING, DeviceState.QUARANTINED}
)
"""From these a device becomes free only with a certificate made afterwards."""
LARGEST_GENERATION = 2**62
LARGEST_COUNT = 2**30
"""Of burn-ins that a host is believed to have done: operators must be able to ask for further ones."""


@dataclass(frozen=True, slots=True)
class _Host:
    """What all slices of one report share."""

    id: UUID
    book: certifying.Book
    claims: Mapping[UUID, ClaimRow]
    """By device."""
    odd: Mapping[str, Mapping[str, str]]
    """Values that can't be kept, by the device's name and the field."""


def sync_devices(
    session: Session,
    host_id: UUID,
    devices: Sequence[DeviceReport],
    *,
    key: str = "",
    silent: remembering.Silent = remembering.nobody_is_silent,
) -> bool:
    """Store what the host says of its devices; True if something changed that placement must be told (tell it
    `providers` then). A certificate is taken if it verifies. Idempotent."""
    rows = {row.name: row for row in _rows_of(session, host_id)}
    said = {device.name: device for device in devices}
    certified = {
        provider_id(host_id, name): each.certificate for name, each in said.items() if each.certificate
    }
    book = certifying.book(session, host_id, key, certified)
    odd = {name: found for name, each in said.items() if (found := oddities.oddities(each))}
    host = _Host(host_id, book, _claims_on(session, host_id), odd)
    shapes.add(session, [each for name, each in said.items() if name not in odd])
    shut = {row.card: row for row in rows.values() if row.quarantine_reason and row.name not in said}
    fresh = [each for name, each in said.items() if _may_have_come(rows.get(name), each)]
    bars = remembering.bars(session, host_id, fresh, silent)
    changed, released = False, set[str]()
    for device in said.values():
        row = rows.pop(device.name, None)
        told = _placement_facts(row) if row is not None else None
        burnt_in = row is not None and device.release_count >= row.release_count > row.release_done
        appears = row is None or row.state == MISSING
        row = _written(session, row, host, device)
        if appears and row.card in shut:
            # What an operator has ruled out is not handed out because its card is cut in another way.
            remembering.put(row, remembering.Bar(quarantine=shut[row.card].quarantine_reason))
        if device.name in bars:
            remembering.put(row, bars[device.name])
        barred = bool(row.quarantine_reason)
        _settle(session, row, host, device, burnt_in=burnt_in)
        if barred and not row.quarantine_reason:
            released.add(row.card)
        changed = changed or told != _placement_facts(row)
    changed = changed or any(row.state != MISSING for row in rows.values())
    vanishing.forgive(list(rows.values()), released)
    vanishing.vanish(session, list(rows.values()), host.claims.keys())
    certifying.close(session, book)
    session.flush()
    return changed


def sync_cards(session: Session, host_id: UUID, cards: Sequence[CardReport]) -> None:
    """Store what the host says of its cards; forget those that it leaves out. Idempotent."""
    rows = {row.name: row for row in session.exec(select(CardRow).where(CardRow.host_id == host_id))}
    for card in {card.name: card for card in cards}.values():
        facts: dict[str, Any] = {
            "address": card.address, "vendor_id": card.vendor_id, "product_id": card.product_id,
            "model": card.model, "serial": card.serial, "memory_mib": card.memory_mib, "drift": card.drift,
            "abilities": [ability.model_dump(mode="json") for ability in card.abilities],
        }  # fmt: skip
        row = rows.pop(card.name, None)
        if row is None:
            id_ = provider_id(host_id, card.name)
            session.add(CardRow(id=id_, host_id=host_id, name=card.name, last_seen=utcnow(), **facts))
        else:
            _set(row, facts)
    for row in rows.values():
        session.delete(row)
    session.flush()


def providers(session: Session, host_id: UUID, host_name: str) -> tuple[ProviderInventory, ...]:
    """What placement is to be told of the host's cards, as they stand now."""
    claims = _claims_on(session, host_id)
    rows = session.exec(select(DeviceRow).where(DeviceRow.host_id == host_id).order_by(DeviceRow.name))
    return device_providers(
        host_id,
        host_name,
        [
            Slice(
                row.name, row.card, row.resource_class, frozenset(row.traits),
                standing(row, claimed=row.id in claims),
            )
            for row in rows
        ],
    )  # fmt: skip


def _rows_of(session: Session, host_id: UUID) -> Sequence[DeviceRow]:
    statement = select(DeviceRow).where(DeviceRow.host_id == host_id).order_by(DeviceRow.name)
    # Two reports of one host queue here.
    return session.exec(statement.with_for_update().execution_options(populate_existing=True)).all()


def _claims_on(session: Session, host_id: UUID) -> Mapping[UUID, ClaimRow]:
    rows = session.exec(
        select(ClaimRow)
        .join(DeviceRow, col(DeviceRow.id) == ClaimRow.device_id)
        .where(DeviceRow.host_id == host_id)
    )
    return {row.device_id: row for row in rows}


def _written(session: Session, row: DeviceRow | None, host: _Host, device: DeviceReport) -> DeviceRow:
    odd = host.odd.get(device.name, {})
    facts = _facts(host.id, device) | {"oddity": oddities.in_words(odd)}
    if odd:
        facts["shape_id"] = None
    if row is None:
        facts |= {name: oddities.EMPTY[name] for name in odd}
        id_ = provider_id(host.id, device.name)
        row = DeviceRow(id=id_, host_id=host.id, name=device.name, offered=False, last_seen=utcnow(), **facts)
        session.add(row)
    else:
        # What was known before is better than what can't be right.
        _set(row, {name: value for name, value in facts.items() if name not in odd})
    return row


def _may_have_come(row: DeviceRow | None, device: DeviceReport) -> bool:
    """From elsewhere, into a seat that may have held another card."""
    return row is None or row.state == MISSING or row.serial != device.serial


def _settle(session: Session, row: DeviceRow, host: _Host, device: DeviceReport, *, burnt_in: bool) -> None:
    """What the report means for leases, certificates and the offer."""
    held = host.claims.get(row.id)
    row.generation = max(row.generation, min(device.generation, LARGEST_GENERATION))
    row.begun_generation = max(row.begun_generation, _begun(row, host, device))
    if device.state in DIRTY:
        row.certified_generation = min(row.certified_generation, row.begun_generation - 1)
    released = row.release_count >= row.quarantine_until and device.release_count >= row.quarantine_until
    if row.quarantine_reason and released:
        row.quarantine_reason = ""
    if device.certificate is not None:
        certifying.take(session, row, device.certificate, host.book, burnt_in=burnt_in)
    offer(row, claimed=held is not None)


def _begun(row: DeviceRow, host: _Host, device: DeviceReport) -> int:
    """The newest lease that the host shows to have taken up."""
    seen = min(device.generation, LARGEST_GENERATION)
    held = host.claims.get(row.id)
    if held is not None and device.claim_id == held.id:
        return max(seen, held.generation)
    # A host of the first release does not number leases.
    return row.generation if device.state in DIRTY and not host.book.keys else seen


def _facts(host_id: UUID, device: DeviceReport) -> dict[str, Any]:
    card = device.card or device.name
    return {
        "card": card, "provider_id": provider_id(host_id, card), "kind": device.kind.value,
        "slice_type": device.slice_type, "mdev": device.mdev, "addresses": list(device.addresses),
        "vendor_id": device.vendor_id, "product_id": device.product_id, "model": device.model,
        "serial": device.serial, "resource_class": canonical_class(device.resource_class),
        "traits": list(device.traits), "share": device.share, "memory_mib": device.memory_mib,
        "sharing": device.sharing.model_dump(mode="json") if device.sharing else None,
        "shape_id": shapes.shape_of(device).id, "numa_node": device.numa_node,
        "pci_path": list(device.pci_path),
        "link_speed": device.link.speed if device.link else None,
        "link_width": device.link.width if device.link else None,
        "health": device.health.model_dump(mode="json") if device.health else None,
        "state": device.state.value, "reason": device.reason,
        "release_done": min(device.release_count, LARGEST_COUNT),
    }  # fmt: skip


def _set(row: DeviceRow | CardRow, facts: Mapping[str, Any]) -> None:
    """Of the hundreds of rows of a host mostly one has something new: only that one is written."""
    news = {name: value for name, value in facts.items() if getattr(row, name) != value}
    if news:
        for name, value in news.items():
            setattr(row, name, value)
        row.last_seen = utcnow()


def _placement_facts(row: DeviceRow) -> tuple[object, ...]:
    return (row.card, row.resource_class, tuple(row.traits), row.offered)
