"""Keeps what hosts report of their devices, and the claims of servers on them.

A claim ends only by `release`, which the caller may use only once the device's host has reported the server
gone (invariant I2). No report ends a claim, whatever it says or leaves out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import and_, delete, or_
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from kcloud_api.accelerator.inventory import may_be_handed_out, provider_id
from kcloud_api.accelerator.records import ClaimRecord, DevicePlace, DeviceQuery, DeviceRecord, Link
from kcloud_api.accelerator.tables import ClaimRow, DeviceRow
from kcloud_api.db.columns import utcnow
from kcloud_api.placement.names import canonical_class
from kcloud_common.errors import BadRequest, OutOfCapacity
from kcloud_common.wire import DeviceReport, DeviceState

MISSING = "missing"
"""State of a device that its host no longer reports, but on which a claim rests."""


def sync_devices(session: Session, host_id: UUID, devices: Sequence[DeviceReport]) -> bool:
    """Store what the host says of its devices; True if something changed that placement must be told
    (call placement's sync_host with inventory.device_providers then). Idempotent."""
    rows = {row.name: row for row in _rows_of(session, host_id)}
    claims = claim_ids(session, host_id)
    changed = False
    for device in devices:
        row = rows.pop(device.name, None)
        told = _placement_facts(row) if row is not None else None
        facts = _facts(device, offered=may_be_handed_out(device, claims))
        row = _write(session, host_id, device.name, facts)
        changed = changed or told != _placement_facts(row)
    for row in rows.values():
        changed = changed or row.state != MISSING
        _vanish(session, row)
    session.flush()
    return changed


def claim(session: Session, server_id: UUID, provider_ids: Iterable[UUID]) -> tuple[ClaimRecord, ...]:
    """Give the server those devices among these providers (others are left out, e.g. the host's own).

    OutOfCapacity when one is claimed, quarantined or missing: search again; the transaction must be rolled
    back. Claims are in the order of their devices' names.
    """
    # No row lock here: a report locks devices before providers, the claimant holds providers already. A
    # device that turns bad at this very moment is as one that turns bad just after.
    rows = session.exec(
        select(DeviceRow)
        .where(col(DeviceRow.provider_id).in_(list(provider_ids)))
        .order_by(DeviceRow.name)
        .execution_options(populate_existing=True)
    ).all()
    for row in rows:
        if row.state != DeviceState.FREE or not row.offered:
            raise OutOfCapacity(f"device {row.name} is {row.state}", device=row.name, state=row.state)
    now = utcnow()
    claims = [ClaimRow(id=uuid4(), device_id=row.id, server_id=server_id, created_at=now) for row in rows]
    session.add_all(claims)
    try:
        session.flush()
    except IntegrityError as error:
        raise OutOfCapacity("a device was claimed by another server meanwhile") from error
    return tuple(_claim_record(held, row) for held, row in zip(claims, rows, strict=True))


def claims_of(session: Session, server_ids: Iterable[UUID]) -> Mapping[UUID, tuple[ClaimRecord, ...]]:
    """The claims of each of these servers, in the order of their devices' names; servers without lack."""
    found: dict[UUID, tuple[ClaimRecord, ...]] = {}
    rows = session.exec(
        select(ClaimRow, DeviceRow)
        .join(DeviceRow, col(DeviceRow.id) == ClaimRow.device_id)
        .where(col(ClaimRow.server_id).in_(list(server_ids)))
        .order_by(DeviceRow.name)
    )
    for held, row in rows:
        found[held.server_id] = (*found.get(held.server_id, ()), _claim_record(held, row))
    return found


def claim_ids(session: Session, host_id: UUID) -> frozenset[UUID]:
    """All claims on this host's devices, for inventory.device_providers."""
    rows = session.exec(
        select(ClaimRow.id)
        .join(DeviceRow, col(DeviceRow.id) == ClaimRow.device_id)
        .where(DeviceRow.host_id == host_id)
    )
    return frozenset(rows)


def release(session: Session, server_id: UUID) -> None:
    """End the server's claims. Only after its host has reported it gone. Idempotent."""
    session.exec(delete(ClaimRow).where(col(ClaimRow.server_id) == server_id))


def devices(
    session: Session, *, host_id: UUID | None = None, device_id: UUID | None = None
) -> tuple[DeviceRecord, ...]:
    """All devices, one host's, or one, by host and name."""
    statement = (
        select(DeviceRow, ClaimRow)
        .join(ClaimRow, col(ClaimRow.device_id) == DeviceRow.id, isouter=True)
        .order_by(col(DeviceRow.host_id), DeviceRow.name)
    )
    if host_id is not None:
        statement = statement.where(DeviceRow.host_id == host_id)
    if device_id is not None:
        statement = statement.where(DeviceRow.id == device_id)
    return tuple(_device_record(row, held) for row, held in session.exec(statement))


def places_of(session: Session, host_ids: Collection[UUID]) -> Mapping[UUID, tuple[DevicePlace, ...]]:
    """Where the devices of each of these hosts sit, as they stand now; hosts without lack. As plain values: a
    search may look at thousands."""
    if not host_ids:
        return {}
    statement = (
        select_columns(
            col(DeviceRow.host_id), col(DeviceRow.provider_id), col(DeviceRow.addresses),
            col(DeviceRow.numa_node), col(DeviceRow.pci_path), col(DeviceRow.link_speed),
            col(DeviceRow.link_width), col(DeviceRow.state), col(ClaimRow.id),
        )
        .join(ClaimRow, col(ClaimRow.device_id) == DeviceRow.id, isouter=True)
        .where(col(DeviceRow.host_id).in_(list(host_ids)))
        .order_by(col(DeviceRow.name))
    )  # fmt: skip
    session.flush()
    rows = session.connection().execute(statement)
    found: dict[UUID, list[DevicePlace]] = {}
    for host_id, id_, addresses, node, path, speed, width, state, held in rows:
        free = state == DeviceState.FREE and held is None
        place = DevicePlace(id_, tuple(addresses), node, tuple(path), _link(speed, width), free)
        found.setdefault(host_id, []).append(place)
    return {host_id: tuple(places) for host_id, places in found.items()}


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
    if wanted.marker is not None:
        last = session.get(DeviceRow, wanted.marker)
        if last is None:
            raise BadRequest(f"marker [{wanted.marker}] not found", field="marker")
        here = col(DeviceRow.host_id) == last.host_id
        further = col(DeviceRow.host_id) > last.host_id
        statement = statement.where(or_(further, and_(here, col(DeviceRow.name) > last.name)))
    rows = session.exec(statement).all()
    found = tuple(_device_record(row, held) for row, held in rows[: wanted.limit])
    return found, len(rows) > wanted.limit


def _rows_of(session: Session, host_id: UUID) -> Sequence[DeviceRow]:
    statement = select(DeviceRow).where(DeviceRow.host_id == host_id).order_by(DeviceRow.name)
    # Two reports of one host queue here.
    return session.exec(statement.with_for_update().execution_options(populate_existing=True)).all()


def _facts(device: DeviceReport, *, offered: bool) -> dict[str, Any]:
    return {
        "addresses": list(device.addresses), "vendor_id": device.vendor_id,
        "product_id": device.product_id, "resource_class": canonical_class(device.resource_class),
        "traits": list(device.traits), "numa_node": device.numa_node, "pci_path": list(device.pci_path),
        "link_speed": device.link.speed if device.link else None,
        "link_width": device.link.width if device.link else None,
        "state": device.state.value, "reason": device.reason, "offered": offered, "last_seen": utcnow(),
    }  # fmt: skip


def _write(session: Session, host_id: UUID, name: str, facts: dict[str, Any]) -> DeviceRow:
    provider = provider_id(host_id, name)
    row = DeviceRow(id=provider, provider_id=provider, host_id=host_id, name=name, **facts)
    return session.merge(row)


def _vanish(session: Session, row: DeviceRow) -> None:
    """Forget a device that is no longer reported, unless a claim rests on it."""
    claimed = session.exec(select(ClaimRow.id).where(ClaimRow.device_id == row.id)).first()
    if claimed is None:
        session.delete(row)
        return
    row.state = MISSING
    row.offered = False
    row.reason = "the host no longer reports this device"


def _placement_facts(row: DeviceRow) -> tuple[object, ...]:
    return (row.resource_class, tuple(row.traits), row.offered)


def _claim_record(held: ClaimRow, row: DeviceRow) -> ClaimRecord:
    return ClaimRecord(held.id, held.server_id, row.host_id, row.name, tuple(row.addresses))


def _device_record(row: DeviceRow, held: ClaimRow | None) -> DeviceRecord:
    return DeviceRecord(
        id=row.id, host_id=row.host_id, name=row.name, addresses=tuple(row.addresses),
        vendor_id=row.vendor_id, product_id=row.product_id, resource_class=row.resource_class,
        traits=tuple(row.traits), numa_node=row.numa_node, pci_path=tuple(row.pci_path),
        state=row.state, reason=row.reason, last_seen=row.last_seen, provider_id=row.provider_id,
        link=_link(row.link_speed, row.link_width),
        claim=_claim_record(held, row) if held is not None else None,
    )  # fmt: skip


def _link(speed: float | None, width: int | None) -> Link | None:
    return Link(speed, width) if speed is not None and width is not None else None
