"""Takes in what agents say: sessions, reports, signs of life; and tells them what they are to have.

`epoch` and `sequence` fence: a report of an agent that was replaced, or one overtaken by a newer, is refused.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import bindparam, delete, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from kcloud_api.accelerator import operating
from kcloud_api.accelerator import service as accelerator
from kcloud_api.compute import assigning
from kcloud_api.compute.observed import strays
from kcloud_api.compute.observing import observe
from kcloud_api.compute.states import State
from kcloud_api.db.columns import utcnow
from kcloud_api.hosts import availability
from kcloud_api.hosts.layouts import service as layouts
from kcloud_api.hosts.offering import MOST_CARDS, believable, digest_of, facts_of, inventory_of
from kcloud_api.hosts.records import HostState
from kcloud_api.hosts.report_body import SaidReport
from kcloud_api.hosts.tables import HostRow, StrayRow
from kcloud_api.placement import service as placement
from kcloud_common.errors import NotFound
from kcloud_common.wire import (
    Assignment,
    HostSession,
    Presence,
    ReportAck,
    ServerReport,
    ServerWant,
)

log = logging.getLogger(__name__)

# Made once: they are asked for with every report and poll, and making them takes longer than asking.
_HOST = (
    select(HostRow)
    .where(col(HostRow.id) == bindparam("host_id"))
    .with_for_update()
    .execution_options(populate_existing=True)
)
_HEARD = select_columns(col(HostRow.state), col(HostRow.last_seen)).where(
    col(HostRow.id) == bindparam("host_id")
)
_STRAYS = (
    select_columns(col(StrayRow.server_id), col(StrayRow.generation))
    .where(col(StrayRow.host_id) == bindparam("host_id"))
    .order_by(col(StrayRow.server_id))
)

MOST_STRAYS = 100
"""That are noted of one host at a time; the next ones when these are gone. A host that makes servers up must
not keep the database busy."""


def open_session(session: Session, host_id: UUID) -> HostSession:
    """A new epoch: from now on only reports of this agent count."""
    host = _locked(session, host_id)
    now = utcnow()
    host.epoch += 1
    host.last_sequence = 0
    _seen(session, host, now)
    session.flush()
    log.info("host_session_opened", extra={"host": host.name, "epoch": host.epoch})
    return HostSession(epoch=host.epoch, server_time=now)


def take_report(session: Session, host_id: UUID, report: SaidReport) -> ReportAck:
    """All that follows from a report, in one transaction. A refused one changes nothing. BadRequest for one
    that is found to be none when it is read to its end."""
    host = _locked(session, host_id)
    if report.epoch != host.epoch or report.sequence <= host.last_sequence:
        return ReportAck(accepted=False, assignment_generation=assigning.generation(session, host_id))
    now = utcnow()
    host.last_sequence, host.last_seen = report.sequence, now
    if host.boot_id != report.boot_id:
        log.info("host_booted", extra={"host": host.name, "boot_id": str(report.boot_id)})
        host.boot_id = report.boot_id
    # Claims end before placement hears of the devices: one that its host still holds for a claim that has
    # just ended is then told as not to be handed out.
    observe(session, host_id, report.boot_id, report.servers)
    _note_strays(session, host_id, report.servers)
    _seen(session, host, now)
    _sync(session, host, report)
    session.flush()
    return ReportAck(accepted=True, assignment_generation=assigning.generation(session, host_id))


def _sync(session: Session, host: HostRow, said: SaidReport) -> None:
    """Tell accelerator and placement, when there is something new to tell."""
    digest = digest_of(said.rest, operating.stances(session, host.id)) if said.rest else ""
    if digest and digest == host.report_digest:
        return
    report = said.whole()
    assigning.lock(session, host.id)
    devices, cards = believable(report.devices), report.cards[:MOST_CARDS]
    if len(devices) < len(report.devices) or len(cards) < len(report.cards):
        facts = {"host": host.name, "devices": len(report.devices), "cards": len(report.cards)}
        log.error("devices_left_out", extra=facts)
    silent = partial(_silent, session)
    accelerator.sync_devices(session, host.id, devices, key=report.certificate_key, silent=silent)
    accelerator.sync_cards(session, host.id, cards)
    host.report_digest = digest if said.is_plain() else ""
    host.report = facts_of(report)
    host.problems = list(report.problems)
    host.updated_at = utcnow()
    _tell(session, host)
    availability.tell(session, host.id, enabled=host.enabled, state=host.state)


def _silent(session: Session, host_ids: Collection[UUID]) -> Collection[UUID]:
    down = select(HostRow.id).where(col(HostRow.id).in_(sorted(host_ids)), HostRow.state == HostState.DOWN)
    return session.exec(down).all()


def tell_again(session: Session, host_id: UUID) -> None:
    """Tell placement of the host's devices as they stand now, because an operator wants something else of
    one. The caller has the lock of the host's assignment."""
    host = session.get(HostRow, host_id)
    if host is not None and host.report:
        _tell(session, host)


def _tell(session: Session, host: HostRow) -> None:
    children = accelerator.providers(session, host.id, host.name)
    placement.sync_host(session, inventory_of(host.id, host.name, host.report, children))


def _note_strays(session: Session, host_id: UUID, reports: Sequence[ServerReport]) -> None:
    """Have the host remove servers that it should not have, and forget those that are gone."""
    noted = set(session.connection().execute(_STRAYS, {"host_id": host_id}).scalars())
    present = strays(frozenset(), tuple(reports))
    known = assigning.whereabouts(session, present) if present else {}
    surplus = {
        server_id: reason
        for server_id in present
        if (reason := _why_not_here(known.get(server_id), host_id)) is not None
    }
    gone = noted - surplus.keys()
    fresh = sorted(surplus.keys() - noted)[: max(0, MOST_STRAYS - len(noted) + len(gone))]
    if not gone and not fresh:
        return
    assigning.changed(session, host_id)
    generation = assigning.generation(session, host_id)
    session.exec(
        delete(StrayRow).where(col(StrayRow.host_id) == host_id, col(StrayRow.server_id).in_(sorted(gone)))
    )
    for server_id in fresh:
        log.warning("stray_server", extra={"server_id": str(server_id), "reason": surplus[server_id]})
        session.add(
            StrayRow(
                host_id=host_id, server_id=server_id, generation=generation,
                reason=surplus[server_id], created_at=utcnow(),
            )
        )  # fmt: skip


def _why_not_here(known: tuple[State, UUID | None] | None, host_id: UUID) -> str | None:
    if known is None:
        return "unknown"
    state, at = known
    if state is State.DELETED:
        return "deleted"
    return "elsewhere" if at != host_id else None


def assignment(session: Session, host_id: UUID) -> Assignment:
    """Everything the host is to have, and everything it is to lose."""
    # The number is read before what it numbers: a change in between is then told again, never missed.
    generation, name = assigning.head(session, host_id)
    tombstones = [
        ServerWant(id=server_id, generation=since, presence=Presence.ABSENT)
        for server_id, since in session.connection().execute(_STRAYS, {"host_id": host_id})
    ]
    servers = (*assigning.assigned_servers(session, host_id), *tombstones)
    return Assignment(
        host_id=host_id, generation=generation, servers=servers,
        layout=layouts.want_of_host(session, name), devices=operating.wants(session, host_id),
    )  # fmt: skip


def touch(session: Session, host_id: UUID, *, at_most_each: float) -> None:
    """A sign of life. Written only when the last one is `at_most_each` seconds old, or the host was down."""
    now = utcnow()
    stale = now - timedelta(seconds=at_most_each)
    session.exec(
        update(HostRow)
        .where(col(HostRow.id) == host_id, col(HostRow.state) == HostState.UP, col(HostRow.last_seen) < stale)
        .values(last_seen=now)
        .execution_options(synchronize_session=False)
    )
    down = select(HostRow.id).where(HostRow.id == host_id, HostRow.state == HostState.DOWN)
    if session.exec(down).first() is not None:
        _seen(session, _locked(session, host_id), now)
        session.flush()


def needs_touch(session: Session, host_id: UUID, *, at_most_each: float) -> bool:
    """Whether `touch` would write; asked without a write transaction."""
    host = session.connection().execute(_HEARD, {"host_id": host_id}).first()
    stale = utcnow() - timedelta(seconds=at_most_each)
    return host is not None and (host.state != HostState.UP or host.last_seen < stale)


def _seen(session: Session, host: HostRow, now: datetime) -> None:
    host.last_seen = now
    if host.state != HostState.UP:
        host.state = HostState.UP
        assigning.lock(session, host.id)
        availability.tell(session, host.id, enabled=host.enabled, state=host.state)
        log.info("host_up", extra={"host": host.name})


def _locked(session: Session, host_id: UUID) -> HostRow:
    row = session.scalars(_HOST, {"host_id": host_id}).first()
    if row is None:
        raise NotFound(f"Host {host_id} could not be found.")
    return row
