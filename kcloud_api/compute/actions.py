"""Writes and reads what was asked of servers and how it went: Nova's instance actions.

An action is opened in the transaction that writes the desired state, and closed in the one that writes what
the host reports, so the record can not differ from what happened.
"""

import logging
import operator
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, bindparam, exists, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from kcloud_api.compute.records import ActionQuery, ActionRecord, EventRecord
from kcloud_api.compute.tables import ActionEventRow, ActionRow
from kcloud_common.errors import BadRequest

log = logging.getLogger(__name__)

CREATE, DELETE, START, STOP, REBOOT = "create", "delete", "start", "stop", "reboot"

PLACING_EVENT = "conductor_schedule_and_build_instances"
EVENTS = {
    CREATE: "compute__do_build_and_run_instance",
    DELETE: "compute_terminate_instance",
    START: "compute_start_instance",
    STOP: "compute_stop_instance",
    REBOOT: "compute_reboot_instance",
}
"""The step that a host carries out for each action, by Nova's name."""


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose word something is done to a server."""

    request_id: str
    project_id: str
    user_id: str


def begin(session: Session, server_id: UUID, action: str, asker: Asker, *, now: datetime) -> None:
    """Open an action and its first step."""
    row = ActionRow(
        id=uuid4(), server_id=server_id, action=action, start=now,
        request_id=asker.request_id, project_id=asker.project_id, user_id=asker.user_id,
    )  # fmt: skip
    event = PLACING_EVENT if action == CREATE else EVENTS[action]
    session.add(row)
    session.add(ActionEventRow(id=uuid4(), action_id=row.id, event=event, start=now))
    facts = {"server_id": str(server_id), "action": action, "request_id": asker.request_id}
    log.info("action_begun", extra=facts)


def requests(session: Session, server_ids: Collection[UUID]) -> dict[UUID, str]:
    """Which request last asked something of each server: with it, one id follows an action through the logs
    of API, controller and host."""
    found = session.connection().execute(_NEWEST, {"servers": list(server_ids)})
    return dict(found.all())


_LATER = aliased(ActionRow)
_NEWEST = select(ActionRow.server_id, ActionRow.request_id).where(
    col(ActionRow.server_id).in_(bindparam("servers", expanding=True)),
    ActionRow.start
    == select(func.max(_LATER.start)).where(_LATER.server_id == ActionRow.server_id).scalar_subquery(),
)
"""Built once: it is asked for every server that is placed, and for every assignment."""


def step(session: Session, server_id: UUID, action: str, *, host_name: str, now: datetime) -> None:
    """Close the open steps of an action and open the one that the host carries out."""
    for row in _open(session, server_id):
        if row.action == action:
            _close_events(session, row.id, now, "Success", None)
            session.add(
                ActionEventRow(
                    id=uuid4(), action_id=row.id, event=EVENTS[action], start=now, host_name=host_name
                )
            )


def succeed(session: Session, server_id: UUID, actions: Iterable[str], *, now: datetime) -> None:
    """Close the open actions of these kinds as done."""
    kinds = frozenset(actions)
    for row in _open(session, server_id):
        if row.action in kinds:
            row.finish = now
            _close_events(session, row.id, now, "Success", None)


def fail(
    session: Session,
    server_id: UUID,
    *,
    now: datetime,
    details: str = "",
    spare: frozenset[str] = frozenset(),
) -> None:
    """Close every open action of the server as failed, but for those kinds that are spared."""
    for row in _open(session, server_id):
        if row.action not in spare:
            row.finish = now
            row.message = "Error"
            _close_events(session, row.id, now, "Error", details)


def list_actions(session: Session, server_id: UUID, wanted: ActionQuery) -> tuple[ActionRecord, ...]:
    """A page of a server's actions, the newest first, with their steps. Raises BadRequest where the marker
    is none of them."""
    query = (
        select(ActionRow)
        .where(ActionRow.server_id == server_id)
        .order_by(col(ActionRow.start).desc(), col(ActionRow.id))
        .limit(wanted.limit)
    )
    if wanted.since is not None:
        query = query.where(_changed(wanted.since, operator.ge))
    if wanted.before is not None:
        query = query.where(~_changed(wanted.before, operator.gt))
    if wanted.marker is not None:
        last = _marked(session, server_id, wanted.marker)
        if last is None:
            raise BadRequest(f"marker [{wanted.marker}] not found", field="marker")
        older = col(ActionRow.start) < last.start
        query = query.where(older | ((col(ActionRow.start) == last.start) & (col(ActionRow.id) > last.id)))
    return _records(session, session.exec(query))


def _changed(at: datetime, compared: Callable[[Any, Any], Any]) -> ColumnElement[bool]:
    """Whether an action's last change (ActionRecord.updated_at) compares so to this time."""
    step = exists().where(
        col(ActionEventRow.action_id) == col(ActionRow.id), compared(col(ActionEventRow.finish), at)
    )
    return or_(compared(func.coalesce(col(ActionRow.finish), col(ActionRow.start)), at), step)


def get_action(session: Session, server_id: UUID, request_id: str) -> ActionRecord | None:
    """The newest that was asked for under this id: a client may ask for several under one."""
    row = _of_request(session, server_id, request_id)
    return None if row is None else _records(session, (row,))[0]


def _marked(session: Session, server_id: UUID, marker: str) -> ActionRow | None:
    """By its own id, which tells it from all others, or by its request's: then the oldest, so that who asks
    for the page after it again and again comes to an end."""
    try:
        id_ = UUID(marker)
    except ValueError:
        return _of_request(session, server_id, marker, oldest=True)
    own = select(ActionRow).where(ActionRow.id == id_, ActionRow.server_id == server_id)
    return session.exec(own).first()


def _of_request(
    session: Session, server_id: UUID, request_id: str, *, oldest: bool = False
) -> ActionRow | None:
    start, id_ = col(ActionRow.start), col(ActionRow.id)
    return session.exec(
        select(ActionRow)
        .where(ActionRow.server_id == server_id, ActionRow.request_id == request_id)
        .order_by(*((start, id_.desc()) if oldest else (start.desc(), id_)))
        .limit(1)
    ).first()


def _open(session: Session, server_id: UUID) -> Iterable[ActionRow]:
    session.flush()
    return session.exec(
        select(ActionRow).where(ActionRow.server_id == server_id, col(ActionRow.finish).is_(None))
    ).all()


def _close_events(session: Session, action_id: UUID, now: datetime, result: str, details: str | None) -> None:
    for row in session.exec(
        select(ActionEventRow).where(
            ActionEventRow.action_id == action_id, col(ActionEventRow.finish).is_(None)
        )
    ):
        row.finish, row.result, row.details = now, result, details


def _records(session: Session, rows: Iterable[ActionRow]) -> tuple[ActionRecord, ...]:
    rows = tuple(rows)
    events: dict[UUID, list[EventRecord]] = {row.id: [] for row in rows}
    for found in session.exec(
        select(ActionEventRow)
        .where(col(ActionEventRow.action_id).in_(list(events)))
        .order_by(col(ActionEventRow.start), col(ActionEventRow.id))
    ):
        events[found.action_id].append(
            EventRecord(found.event, found.start, found.finish, found.result, found.details, found.host_name)
        )
    return tuple(
        ActionRecord(
            id=row.id, server_id=row.server_id, request_id=row.request_id, action=row.action,
            project_id=row.project_id, user_id=row.user_id, start=row.start, finish=row.finish,
            message=row.message, events=tuple(events[row.id]),
        )
        for row in rows
    )  # fmt: skip
