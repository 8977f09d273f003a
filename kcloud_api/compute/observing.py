"""Writes what a host's word about its servers means: states, faults, finished actions, ended claims.

A late or repeated report changes nothing. Claims end here and nowhere else, and only for a server that must
go and whose host says that nothing is left of it.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import delete
from sqlmodel import Session, col, select

from kcloud_api.accelerator import service as accelerator
from kcloud_api.compute import actions, assigning
from kcloud_api.compute.actions import CREATE, DELETE, REBOOT, START, STOP, Asker
from kcloud_api.compute.observed import Known, event_of
from kcloud_api.compute.records import ServerFault
from kcloud_api.compute.states import Event, State, after
from kcloud_api.compute.tables import ConsoleRow, ServerRow
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import wake_after_commit
from kcloud_api.network import service as network
from kcloud_api.placement import service as placement
from kcloud_common.wire import ServerReport

log = logging.getLogger(__name__)


def observe(session: Session, host_id: UUID, boot_id: UUID, reports: Sequence[ServerReport]) -> None:
    """Take in what `host_id` says of its servers; of others it may say nothing."""
    said = {report.id: report for report in reports}
    if not said:
        return
    rows = session.exec(
        select(ServerRow)
        .where(
            ServerRow.host_id == host_id,
            col(ServerRow.state).in_(assigning.HERE),
            col(ServerRow.id).in_(list(said)),
        )
        .order_by(col(ServerRow.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    now = utcnow()
    ports = network.ports_of(session, [row.id for row in rows])
    for row in rows:
        report = said[row.id]
        event = event_of(_known(row), report)
        _note(row, boot_id, report)
        if report.addresses and [port.addresses for port in ports.get(row.id, ())] != [report.addresses]:
            network.record_addresses(session, row.id, report.addresses)
        if event is not None:
            _apply(session, row, event, report, now)
            wake_after_commit(session, f"server:{row.id}")
    session.flush()


def _known(row: ServerRow) -> Known:
    fault = ServerFault.model_validate(row.fault) if row.fault is not None else None
    return Known(
        state=State(row.state),
        generation=row.generation,
        wanted_on=row.power_on,
        fault_generation=fault.generation if fault is not None else None,
        reboot_count=row.reboot_count,
        reboot_seen=row.reboot_seen,
    )


def _note(row: ServerRow, boot_id: UUID, report: ServerReport) -> None:
    """What is shown but decides nothing."""
    row.power_seen, row.step_seen = report.power_state.value, report.step[:64]
    if report.power_state.value == "running":
        row.boot_seen = boot_id


def _apply(session: Session, row: ServerRow, event: Event, report: ServerReport, now: datetime) -> None:
    was = row.state
    row.state = after(State(row.state), event)
    row.updated_at = now
    match event:
        case Event.RUNNING:
            _running(session, row, report, now)
        case Event.STOPPED:
            _stopped(session, row, now)
        case Event.FAILED:
            _failed(session, row, report, now)
        case Event.GONE:
            _gone(session, row, now)
    facts = {"server_id": str(row.id), "host": row.host_name, "seen": event.value, "was": was}
    asked = actions.requests(session, [row.id])
    log.info("server_observed", extra={**facts, "state": row.state, "request_id": asked.get(row.id, "")})


def _running(session: Session, row: ServerRow, report: ServerReport, now: datetime) -> None:
    row.launched_at = row.launched_at or now
    row.fault = None
    row.reboot_seen = max(row.reboot_seen, min(report.reboot_count, row.reboot_count))
    actions.succeed(session, row.id, (CREATE, START, REBOOT), now=now)


def _stopped(session: Session, row: ServerRow, now: datetime) -> None:
    """Off as asked; or by itself, and then it is to stay off, as Nova's power sync has it."""
    row.launched_at = row.launched_at or now
    row.fault = None
    row.reboot_seen = row.reboot_count
    actions.succeed(session, row.id, (CREATE, START, REBOOT, STOP), now=now)
    if row.power_on:
        asker = Asker(f"req-{uuid4()}", row.project_id, row.user_id)
        actions.begin(session, row.id, STOP, asker, now=now)
        actions.succeed(session, row.id, (STOP,), now=now)
        row.power_on = False
        row.generation += 1
        assigning.changed(session, _host_of(row))


def _failed(session: Session, row: ServerRow, report: ServerReport, now: datetime) -> None:
    fault = report.fault
    if fault is None:
        raise AssertionError("a report without a fault is no failure")
    row.fault = ServerFault(
        reason=fault.code,
        message=fault.message,
        details=f"{row.host_name}: {fault.details}" if fault.details else f"on {row.host_name}",
        created=now,
        generation=row.generation,
    ).model_dump(mode="json")
    row.reboot_seen = row.reboot_count
    # A delete goes on: the host tries again until nothing is left.
    actions.fail(session, row.id, now=now, details=fault.message, spare=frozenset({DELETE}))


def _gone(session: Session, row: ServerRow, now: datetime) -> None:
    """The one place where a placed server's claims end."""
    assigning.changed(session, _host_of(row))
    placement.release(session, row.id)
    accelerator.release(session, row.id)
    network.delete_ports(session, row.id)
    session.exec(delete(ConsoleRow).where(col(ConsoleRow.server_id) == row.id))
    row.deleted_at = now
    row.power_seen = "none"
    actions.succeed(session, row.id, (DELETE,), now=now)
    actions.fail(session, row.id, now=now, details="The server was deleted.")


def _host_of(row: ServerRow) -> UUID:
    if row.host_id is None:
        raise AssertionError(f"server {row.id} was observed and has no host")
    return row.host_id
