"""What operators want of single devices: maintenance, quarantine, release from it."""

import logging
from uuid import UUID

from sqlalchemy import bindparam, or_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from kcloud_api.accelerator import certifying
from kcloud_api.accelerator.inventory import MISSING
from kcloud_api.accelerator.records import Stance
from kcloud_api.accelerator.standing import offer
from kcloud_api.accelerator.tables import ClaimRow, DeviceRow
from kcloud_common.errors import Conflict, NotFound
from kcloud_common.wire import DeviceState, DeviceWant

log = logging.getLogger(__name__)

# Made once: they are asked for with every report and assignment, and making them takes longer than asking.
_STANCES = (
    select_columns(
        col(DeviceRow.name), col(ClaimRow.id), col(DeviceRow.maintenance), col(DeviceRow.quarantine_reason),
        col(DeviceRow.quarantine_until), col(DeviceRow.release_count), col(DeviceRow.chain),
    )
    .join(ClaimRow, col(ClaimRow.device_id) == DeviceRow.id, isouter=True)
    .where(
        col(DeviceRow.host_id) == bindparam("host_id"),
        or_(
            col(ClaimRow.id).is_not(None),
            col(DeviceRow.maintenance).is_(True),
            col(DeviceRow.quarantine_reason) != "",
            col(DeviceRow.release_count) > 0,
            col(DeviceRow.chain) > 0,
        ),
    )
    .order_by(col(DeviceRow.name))
)  # fmt: skip
_WANTED = (
    select(DeviceRow)
    .where(
        col(DeviceRow.host_id) == bindparam("host_id"),
        col(DeviceRow.maintenance).is_(True) | (col(DeviceRow.release_count) > 0),
        col(DeviceRow.state) != MISSING,
    )
    .order_by(col(DeviceRow.name))
)


def host_of(session: Session, device_id: UUID) -> UUID:
    """Raises NotFound."""
    found = session.exec(select(DeviceRow.host_id).where(DeviceRow.id == device_id)).first()
    if found is None:
        raise NotFound(f"No device {device_id} is known.")
    return found


def set_maintenance(session: Session, device_id: UUID, wanted: bool) -> None:
    """Out of use as soon as it is free, or in use again. Idempotent."""
    row = _row(session, device_id)
    row.maintenance = wanted
    _offer(session, row)
    _told(row, "maintenance" if wanted else "use")


def quarantine(session: Session, device_id: UUID, reason: str) -> None:
    """Have a device handed out to nobody until a release; whoever holds it keeps it. Idempotent."""
    row = _row(session, device_id)
    if not row.quarantine_reason:
        row.quarantine_until = max(row.release_count, row.release_done) + 1
    row.quarantine_reason = reason
    _offer(session, row)
    _told(row, "quarantine", reason)


def release(session: Session, device_id: UUID) -> None:
    """Ask for the burn-in that leads out of quarantine. Conflict unless the device is in quarantine, or held
    back because its certificates broke off: these are then begun anew."""
    row = _row(session, device_id)
    stuck = row.state == DeviceState.FREE and row.begun_generation > row.certified_generation
    if not (row.state == DeviceState.QUARANTINED or row.quarantine_reason or stuck):
        raise Conflict(f"Device {row.name} is {row.state}: only one in quarantine can be released.")
    if _claim(session, row) is not None:
        raise Conflict(f"A server holds device {row.name}: it is cleaned when that is gone.")
    row.release_count = max(row.release_count, row.release_done) + 1
    if row.certificate_fault:
        row.chain += 1
        row.certificate_fault = ""
    _offer(session, row)
    _told(row, "release")


def wants(session: Session, host_id: UUID) -> tuple[DeviceWant, ...]:
    """What a host is to know of its devices: of those in ordinary use, nothing."""
    rows = session.scalars(_WANTED, {"host_id": host_id}).all()
    heads = certifying.heads(session, [row for row in rows if row.release_count > row.release_done])
    return tuple(
        DeviceWant(
            name=row.name, maintenance=row.maintenance, release_count=row.release_count,
            chain=heads.get(row.id),
        )
        for row in rows
    )  # fmt: skip


def stances(session: Session, host_id: UUID) -> tuple[Stance, ...]:
    """What operators and claims have made of a host's devices, by name; of those in ordinary use, nothing."""
    return tuple(Stance(*row) for row in session.connection().execute(_STANCES, {"host_id": host_id}))


def _row(session: Session, device_id: UUID) -> DeviceRow:
    row = session.exec(
        select(DeviceRow)
        .where(DeviceRow.id == device_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if row is None:
        raise NotFound(f"No device {device_id} is known.")
    return row


def _claim(session: Session, row: DeviceRow) -> UUID | None:
    return session.exec(select(ClaimRow.id).where(ClaimRow.device_id == row.id)).first()


def _offer(session: Session, row: DeviceRow) -> None:
    offer(row, claimed=_claim(session, row) is not None)
    session.flush()


def _told(row: DeviceRow, wish: str, reason: str = "") -> None:
    """What follows on the host is in its agent's log, which names the device alike."""
    facts = {"device": row.name, "device_id": str(row.id), "host_id": str(row.host_id), "wish": wish}
    log.info("device_wish", extra={**facts, **({"reason": reason} if reason else {})})
