"""What operators and the liveness loop do with hosts."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from kcloud_api.accelerator import service as accelerator
from kcloud_api.compute import assigning
from kcloud_api.db.columns import utcnow
from kcloud_api.hosts import availability
from kcloud_api.hosts.records import HostRecord, HostState
from kcloud_api.hosts.tables import EnrolmentRow, HostRow, StrayRow
from kcloud_api.placement import service as placement
from kcloud_common.errors import BadRequest, Conflict, NotFound

log = logging.getLogger(__name__)


def list_hosts(session: Session) -> tuple[HostRecord, ...]:
    """All hosts, by name."""
    return tuple(_record(row) for row in session.exec(select(HostRow).order_by(HostRow.name)))


def host_page(session: Session, *, limit: int, marker: UUID | None) -> tuple[tuple[HostRecord, ...], bool]:
    """At most `limit` hosts by name after the one with the id `marker`, and whether more follow."""
    query = select(HostRow).order_by(HostRow.name).limit(limit + 1)
    if marker is not None:
        last = session.get(HostRow, marker)
        if last is None:
            raise BadRequest(f"marker [{marker}] not found", field="marker")
        query = query.where(col(HostRow.name) > last.name)
    rows = session.exec(query).all()
    return tuple(_record(row) for row in rows[:limit]), len(rows) > limit


def get_host(session: Session, host_id: UUID) -> HostRecord:
    return _record(_row(session, host_id))


def set_enabled(session: Session, host_id: UUID, enabled: bool, reason: str | None) -> HostRecord:
    """A disabled host keeps its servers and gets no new ones."""
    row = _row(session, host_id)
    row.enabled = enabled
    row.disabled_reason = None if enabled else reason
    row.updated_at = utcnow()
    availability.tell(session, row.id, enabled=enabled, state=row.state)
    session.flush()
    log.info("host_enabled" if enabled else "host_disabled", extra={"host": row.name, "reason": reason or ""})
    return _record(row)


def delete_host(session: Session, host_id: UUID) -> None:
    """Forget a host; Conflict while it holds a server, or has one that it must lose."""
    row = _row(session, host_id)
    # Whoever places a server here has this lock until he commits: only then it can be seen.
    assigning.lock(session, host_id)
    strays = session.exec(select(StrayRow.server_id).where(StrayRow.host_id == host_id)).first()
    if strays is not None or assigning.holds_servers(session, host_id):
        raise Conflict(f"Host {row.name} holds servers: delete them first.")
    placement.set_host_available(session, host_id, False)
    placement.remove_host(session, host_id)
    accelerator.forget_host(session, host_id, row.name)
    assigning.remove_host(session, host_id)
    session.exec(delete(EnrolmentRow).where(col(EnrolmentRow.host_id) == host_id))
    name = row.name
    session.delete(row)
    session.flush()
    log.info("host_deleted", extra={"host": name, "host_id": str(host_id)})


def mark_silent(session: Session, down_after: float, now: datetime | None = None) -> tuple[str, ...]:
    """Mark hosts that were not heard of for too long as down, in one statement; their names.

    They keep their servers and claims; placement gives them nothing new.
    """
    limit = (now or utcnow()) - timedelta(seconds=down_after)
    silent = session.exec(
        update(HostRow)
        .where(col(HostRow.state) == HostState.UP, col(HostRow.last_seen) < limit)
        .values(state=HostState.DOWN)
        .returning(col(HostRow.id), col(HostRow.name))
        .execution_options(synchronize_session=False)
    ).all()
    for host_id, name in silent:
        placement.set_host_available(session, host_id, False)
        log.warning("host_down", extra={"host": name, "silent_for_more_than": down_after})
    return tuple(name for _, name in silent)


def any_silent(session: Session, down_after: float) -> bool:
    """Whether mark_silent would find one; asked without a write transaction."""
    limit = utcnow() - timedelta(seconds=down_after)
    query = select(HostRow.id).where(HostRow.state == HostState.UP, col(HostRow.last_seen) < limit).limit(1)
    return session.exec(query).first() is not None


def _row(session: Session, host_id: UUID) -> HostRow:
    row = session.exec(select(HostRow).where(HostRow.id == host_id).with_for_update()).first()
    if row is None:
        raise NotFound(f"Host {host_id} could not be found.")
    return row


def _record(row: HostRow) -> HostRecord:
    return HostRecord(
        id=row.id, name=row.name, state=HostState(row.state), enabled=row.enabled,
        disabled_reason=row.disabled_reason, epoch=row.epoch, boot_id=row.boot_id,
        last_seen=row.last_seen, report=row.report, problems=tuple(row.problems),
        created_at=row.created_at, updated_at=row.updated_at,
    )  # fmt: skip
