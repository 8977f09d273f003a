"""Reads servers: one for its owner, a page of many by filter. Another project's server does not exist."""

import re
from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from kcloud_api.caller import Caller
from kcloud_api.compute.name_pattern import checked_pattern
from kcloud_api.compute.records import (
    FlavorSnapshot,
    HostedServer,
    ImageSnapshot,
    Page,
    ServerFault,
    ServerFilter,
    ServerPage,
    ServerRecord,
)
from kcloud_api.compute.states import POWER_STATES, Reboot, State
from kcloud_api.compute.tables import ServerRow
from kcloud_common.errors import BadRequest, NotFound

SORT_KEYS = {
    "created_at": ServerRow.created_at,
    "updated_at": ServerRow.updated_at,
    "launched_at": ServerRow.launched_at,
    "display_name": ServerRow.name,
    "name": ServerRow.name,
    "uuid": ServerRow.id,
}
PLAIN = re.compile(r"^[\w -]*$")


def not_found(server_id: object) -> NotFound:
    return NotFound(f"Instance {server_id} could not be found.", server_id=str(server_id))


def get_row(
    session: Session, caller: Caller, server_id: str, *, lock: bool = False, deleted: bool = False
) -> ServerRow:
    """The caller's server (an admin's: any), else NotFound. `lock`: for a change in this transaction."""
    try:
        wanted = UUID(server_id)
    except ValueError:
        raise not_found(server_id) from None
    query = select(ServerRow).where(ServerRow.id == wanted)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = session.exec(query).first()
    if row is None or (row.project_id != caller.project_id and not caller.is_admin):
        raise not_found(server_id)
    if row.state == State.DELETED and not deleted:
        raise not_found(server_id)
    return row


def get_server(session: Session, caller: Caller, server_id: str, *, deleted: bool = False) -> ServerRecord:
    """NotFound for another project's, and for a deleted one unless `deleted`."""
    return record_of(get_row(session, caller, server_id, deleted=deleted))


def list_servers(session: Session, wanted: ServerFilter, page: Page) -> ServerPage:
    """One page. BadRequest for an unknown marker, an unknown sort key or a name that is no pattern."""
    query = _ordered(select(ServerRow).where(*_conditions(wanted)), page)
    if page.marker is not None:
        query = query.where(_after(_marker(session, wanted, page.marker), page))
    rows = session.exec(query.limit(page.limit + 1)).all()
    return ServerPage(tuple(record_of(row) for row in rows[: page.limit]), len(rows) > page.limit)


def usage(session: Session, project_id: str) -> tuple[int, int, int]:
    """Servers, cores and MiB of memory that a project has."""
    rows = session.exec(
        select(ServerRow.flavor).where(
            ServerRow.project_id == project_id, col(ServerRow.state) != State.DELETED
        )
    ).all()
    flavors = [FlavorSnapshot.model_validate(row) for row in rows]
    return len(flavors), sum(f.vcpus for f in flavors), sum(f.ram_mib for f in flavors)


def hosted(session: Session, *, on: Collection[UUID] | None = None) -> dict[UUID, tuple[HostedServer, ...]]:
    """What is on each host, or on those that are named, for operators."""
    found: dict[UUID, list[HostedServer]] = {}
    host = col(ServerRow.host_id)
    here = host.is_not(None) if on is None else host.in_(on)
    for host_id, server_id, flavor in session.exec(
        select(ServerRow.host_id, ServerRow.id, ServerRow.flavor)
        .where(here, col(ServerRow.state) != State.DELETED)
        .order_by(col(ServerRow.id))
    ):
        if host_id is not None:
            server = HostedServer(server_id, FlavorSnapshot.model_validate(flavor))
            found.setdefault(host_id, []).append(server)
    return {host_id: tuple(servers) for host_id, servers in found.items()}


def _conditions(wanted: ServerFilter) -> list[ColumnElement[bool]]:
    state = col(ServerRow.state)
    conditions: list[ColumnElement[bool]] = []
    if wanted.states is not None:
        conditions.append(state.in_(sorted(wanted.states)))
    if not wanted.deleted and wanted.changed_since is None:
        conditions.append(state != State.DELETED)
    if wanted.deleted:
        conditions.append(state == State.DELETED)
    equal = {
        ServerRow.project_id: wanted.project_id,
        ServerRow.user_id: wanted.user_id,
        ServerRow.image_id: wanted.image_id,
        ServerRow.host_name: wanted.host_name,
        ServerRow.id: wanted.server_id,
        ServerRow.key_name: wanted.key_name,
    }
    conditions += [column == value for column, value in equal.items() if value is not None]  # type: ignore[misc]
    if wanted.changed_since is not None:
        conditions.append(col(ServerRow.updated_at) >= wanted.changed_since)
    if wanted.flavor_id is not None:
        conditions.append(col(ServerRow.flavor)["id"].as_string() == wanted.flavor_id)
    if wanted.name is not None:
        conditions.append(_name_matches(wanted.name))
    return conditions


def _name_matches(pattern: str) -> ColumnElement[bool]:
    """Nova's name filter is a regular expression; most are plain words, which need no engine."""
    if PLAIN.match(pattern):
        escaped = pattern.replace("_", r"\_")
        return col(ServerRow.name).like(f"%{escaped}%", escape="\\")
    return col(ServerRow.name).regexp_match(checked_pattern(pattern))


def _ordered(query: SelectOfScalar[ServerRow], page: Page) -> SelectOfScalar[ServerRow]:
    column, tie = _sort_column(page), col(ServerRow.id)
    return (
        query.order_by(column.asc(), tie.asc())
        if page.ascending
        else query.order_by(column.desc(), tie.desc())
    )


def _sort_column(page: Page) -> Any:  # noqa: ANN401 - a column of any type
    try:
        column = col(SORT_KEYS[page.sort_key])
    except KeyError:
        raise BadRequest(f"Sort key {page.sort_key} is not supported.", field="sort_key") from None
    # launched_at may be empty, and comparisons with nothing would end the list.
    return func.coalesce(column, col(ServerRow.created_at)) if page.sort_key == "launched_at" else column


def _marker(session: Session, wanted: ServerFilter, marker: UUID) -> ServerRow:
    row = session.get(ServerRow, marker)
    if row is None or wanted.project_id not in (None, row.project_id):
        raise BadRequest(f"marker [{marker}] not found", field="marker")
    return row


def _after(row: ServerRow, page: Page) -> ColumnElement[bool]:
    column, tie = _sort_column(page), col(ServerRow.id)
    name = {"display_name": "name", "uuid": "id"}.get(page.sort_key, page.sort_key)
    value = getattr(row, name) or row.created_at
    beyond = (column > value, tie > row.id) if page.ascending else (column < value, tie < row.id)
    return or_(beyond[0], and_(column == value, beyond[1]))


def record_of(row: ServerRow) -> ServerRecord:
    """The row as a value."""
    rebooting = row.reboot_seen < row.reboot_count
    return ServerRecord(
        id=row.id,
        project_id=row.project_id,
        user_id=row.user_id,
        name=row.name,
        description=row.description,
        state=State(row.state),
        generation=row.generation,
        wanted_on=row.power_on,
        flavor=FlavorSnapshot.model_validate(row.flavor),
        image=ImageSnapshot.model_validate(row.image),
        key_name=row.key_name,
        public_key=row.public_key,
        user_data=row.user_data,
        metadata=dict(row.server_metadata),
        config_drive=row.config_drive,
        reservation_id=row.reservation_id,
        launch_index=row.launch_index,
        host_id=row.host_id,
        host_name=row.host_name,
        fault=ServerFault.model_validate(row.fault) if row.fault is not None else None,
        power=POWER_STATES[row.power_seen],
        rebooting=Reboot.NONE if not rebooting else Reboot.HARD if row.reboot_hard else Reboot.SOFT,
        reboot_count=row.reboot_count,
        console_count=row.console_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
        launched_at=row.launched_at,
        deleted_at=row.deleted_at,
    )
