"""Reads devices and cards for those who look at them, page by page, and where cards sit for who searches."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from kcloud_api.accelerator.claiming import claim_record
from kcloud_api.accelerator.inventory import MISSING
from kcloud_api.accelerator.records import (
    CardPlace,
    CardRecord,
    DeviceQuery,
    DeviceRecord,
    Link,
)
from kcloud_api.accelerator.tables import (
    CardRow,
    ClaimRow,
    DeviceRow,
)
from kcloud_common.errors import BadRequest
from kcloud_common.wire import DeviceState


def devices(
    session: Session, *, host_id: UUID | None = None, device_id: UUID | None = None
) -> tuple[DeviceRecord, ...]:
    """All devices, one host's, or one, by host and name; those that are missing and nobody holds only when
    they are asked for by id."""
    statement = (
        select(DeviceRow, ClaimRow)
        .join(ClaimRow, col(ClaimRow.device_id) == DeviceRow.id, isouter=True)
        .order_by(col(DeviceRow.host_id), DeviceRow.name)
    )
    if host_id is not None:
        statement = statement.where(DeviceRow.host_id == host_id)
    if device_id is not None:
        statement = statement.where(DeviceRow.id == device_id)
    else:
        statement = statement.where(_is_present())
    return tuple(_device_record(row, held) for row, held in session.exec(statement))


def device_page(session: Session, wanted: DeviceQuery) -> tuple[tuple[DeviceRecord, ...], bool]:
    """One page, by host and name, and whether more follow. BadRequest for a marker that is no device."""
    statement = (
        select(DeviceRow, ClaimRow)
        .join(ClaimRow, col(ClaimRow.device_id) == DeviceRow.id, isouter=True)
        .order_by(col(DeviceRow.host_id), DeviceRow.name)
        .limit(wanted.limit + 1)
    )
    if wanted.host_ids is not None:
        statement = statement.where(col(DeviceRow.host_id).in_(wanted.host_ids))
    if wanted.state is not None:
        statement = statement.where(DeviceRow.state == wanted.state)
    else:
        statement = statement.where(_is_present())
    if wanted.kind is not None:
        statement = statement.where(DeviceRow.kind == wanted.kind)
    if wanted.card is not None:
        statement = statement.where(DeviceRow.card == wanted.card)
    if wanted.marker is not None:
        last = session.get(DeviceRow, wanted.marker)
        if last is None:
            raise no_marker(wanted.marker)
        here = col(DeviceRow.host_id) == last.host_id
        further = col(DeviceRow.host_id) > last.host_id
        statement = statement.where(or_(further, and_(here, col(DeviceRow.name) > last.name)))
    rows = session.exec(statement).all()
    found = tuple(_device_record(row, held) for row, held in rows[: wanted.limit])
    return found, len(rows) > wanted.limit


def places_of(session: Session, host_ids: Collection[UUID]) -> Mapping[UUID, tuple[CardPlace, ...]]:
    """Where the cards of each of these hosts sit, as they stand now; hosts without lack. As plain values: a
    search may look at thousands. A card sits where its first slice by name sits."""
    if not host_ids:
        return {}
    statement = (
        select_columns(
            col(DeviceRow.host_id), col(DeviceRow.provider_id), col(DeviceRow.addresses),
            col(DeviceRow.numa_node), col(DeviceRow.pci_path), col(DeviceRow.link_speed),
            col(DeviceRow.link_width), col(DeviceRow.state), col(DeviceRow.offered), col(ClaimRow.id),
        )
        .join(ClaimRow, col(ClaimRow.device_id) == DeviceRow.id, isouter=True)
        .where(col(DeviceRow.host_id).in_(list(host_ids)))
        .order_by(col(DeviceRow.name))
    )  # fmt: skip
    session.flush()
    rows = session.connection().execute(statement)
    found: dict[UUID, dict[UUID, CardPlace]] = {}
    for host_id, id_, addresses, node, path, speed, width, state, offered, held in rows:
        free = int(state == DeviceState.FREE and offered and held is None)
        cards = found.setdefault(host_id, {})
        if id_ in cards:
            free += cards[id_].free
            cards[id_] = _with_free(cards[id_], free)
        else:
            cards[id_] = CardPlace(id_, tuple(addresses), node, tuple(path), _link(speed, width), free)
    return {host_id: tuple(cards.values()) for host_id, cards in found.items()}


def card_page(
    session: Session, *, host_ids: frozenset[UUID] | None, limit: int, marker: UUID | None
) -> tuple[tuple[CardRecord, ...], bool]:
    """Cards by host and name, and whether more follow. BadRequest for a marker that is no card."""
    statement = select(CardRow).order_by(col(CardRow.host_id), CardRow.name).limit(limit + 1)
    if host_ids is not None:
        statement = statement.where(col(CardRow.host_id).in_(host_ids))
    if marker is not None:
        last = session.get(CardRow, marker)
        if last is None:
            raise no_marker(marker)
        here = col(CardRow.host_id) == last.host_id
        further = col(CardRow.host_id) > last.host_id
        statement = statement.where(or_(further, and_(here, col(CardRow.name) > last.name)))
    rows = session.exec(statement).all()
    return tuple(card_record(row) for row in rows[:limit]), len(rows) > limit


def no_marker(marker: UUID) -> BadRequest:
    return BadRequest(f"marker [{marker}] not found", field="marker")


def _is_present() -> ColumnElement[bool]:
    return or_(col(DeviceRow.state) != MISSING, col(ClaimRow.id).is_not(None))


def card_record(row: CardRow) -> CardRecord:
    return CardRecord(
        id=row.id, host_id=row.host_id, name=row.name, address=row.address, vendor_id=row.vendor_id,
        product_id=row.product_id, model=row.model, serial=row.serial, memory_mib=row.memory_mib,
        abilities=tuple(row.abilities), drift=row.drift, last_seen=row.last_seen,
    )  # fmt: skip


def _device_record(row: DeviceRow, held: ClaimRow | None) -> DeviceRecord:
    return DeviceRecord(
        id=row.id, host_id=row.host_id, name=row.name, card=row.card, provider_id=row.provider_id,
        kind=row.kind, slice_type=row.slice_type, mdev=row.mdev, addresses=tuple(row.addresses),
        vendor_id=row.vendor_id, product_id=row.product_id, model=row.model, serial=row.serial,
        resource_class=row.resource_class, traits=tuple(row.traits), share=row.share,
        memory_mib=row.memory_mib, sharing=row.sharing, numa_node=row.numa_node,
        pci_path=tuple(row.pci_path), health=row.health, state=row.state, reason=row.reason,
        held_back=row.held_back, generation=row.generation, certified_generation=row.certified_generation,
        maintenance=row.maintenance, quarantine_reason=row.quarantine_reason,
        release_count=row.release_count, release_done=row.release_done, last_seen=row.last_seen,
        link=_link(row.link_speed, row.link_width),
        claim=claim_record(held, row) if held is not None else None,
    )  # fmt: skip


def _with_free(place: CardPlace, free: int) -> CardPlace:
    return CardPlace(place.provider_id, place.addresses, place.numa_node, place.pci_path, place.link, free)


def _link(speed: float | None, width: int | None) -> Link | None:
    return Link(speed, width) if speed is not None and width is not None else None
