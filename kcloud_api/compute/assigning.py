"""Keeps what each host is to have: the servers assigned to it, and the number that says when that changed.

Locks are taken in one order, or transactions would wait for each other in a circle: host, servers, the host's
assignment (`changed`, `lock`), then placement's providers and accelerator's devices.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, func, true, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from kcloud_api.accelerator import service as accelerator
from kcloud_api.compute import actions
from kcloud_api.compute.reading import record_of
from kcloud_api.compute.states import State
from kcloud_api.compute.tables import AssignmentRow, ConsoleRow, ServerRow
from kcloud_api.compute.wants import ON_HOST, want_of
from kcloud_api.db.engine import wake_after_commit
from kcloud_api.network import service as network
from kcloud_common.wire import ServerWant

HERE = sorted(ON_HOST)
ONE_BY_ONE = 0x61737369676E
"""PostgreSQL's key for who changes the assignments of many hosts: `assign` in ASCII."""

# Made once: after a layout for all every host asks them at once, and making them takes longer than asking.
_HEAD = select_columns(col(AssignmentRow.generation), col(AssignmentRow.host_name)).where(
    col(AssignmentRow.host_id) == bindparam("host_id")
)
_SERVERS = (
    select(ServerRow)
    .where(col(ServerRow.host_id) == bindparam("host_id"), col(ServerRow.state).in_(HERE))
    .order_by(col(ServerRow.id))
)


def add_host(session: Session, host_id: UUID, name: str) -> None:
    """Open the host's assignment, empty. Idempotent."""
    row = session.get(AssignmentRow, host_id) or AssignmentRow(host_id=host_id, host_name=name)
    row.host_name = name
    session.add(row)
    session.flush()


def remove_host(session: Session, host_id: UUID) -> None:
    """Forget a host that holds no server. Idempotent."""
    row = session.get(AssignmentRow, host_id)
    if row is not None:
        session.delete(row)


def changed(session: Session, host_id: UUID) -> None:
    """Say that this host's assignment is a new one, and wake whoever waits for it."""
    session.exec(
        update(AssignmentRow)
        .where(col(AssignmentRow.host_id) == host_id)
        .values(generation=AssignmentRow.generation + 1)
        .execution_options(synchronize_session=False)
    )
    wake_after_commit(session, f"assignment:{host_id}")


def changed_of(session: Session, host_ids: Collection[UUID]) -> None:
    """`changed` for each of these hosts."""
    _changed_where(session, col(AssignmentRow.host_id).in_(list(host_ids)))


def changed_all(session: Session, *, but: Select[str] | None = None) -> None:
    """`changed` for every host, but those of these names."""
    _changed_where(session, true() if but is None else col(AssignmentRow.host_name).not_in(but))


def _changed_where(session: Session, those: ColumnElement[bool]) -> None:
    # One such change after the other, or two would wait in a circle for each other's rows. To lock the rows
    # in one order first would write each of them twice, and whoever places a server waits for that.
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(select_columns(func.pg_advisory_xact_lock(ONE_BY_ONE)))
    changed = session.exec(
        update(AssignmentRow)
        .where(those)
        .values(generation=AssignmentRow.generation + 1)
        .returning(col(AssignmentRow.host_id))
        .execution_options(synchronize_session=False)
    )
    wake_after_commit(session, *(f"assignment:{host_id}" for (host_id,) in changed))


def lock(session: Session, host_id: UUID) -> None:
    """Have the host's providers and devices for this transaction alone; the number stays as it is."""
    session.exec(
        select(AssignmentRow.generation).where(AssignmentRow.host_id == host_id).with_for_update()
    ).first()


def generation(session: Session, host_id: UUID) -> int:
    """Of the host's newest assignment; 0 when it has none."""
    return head(session, host_id)[0]


def host_name(session: Session, host_id: UUID) -> str:
    return head(session, host_id)[1]


def head(session: Session, host_id: UUID) -> tuple[int, str]:
    """`generation` and `host_name` in one."""
    found = session.connection().execute(_HEAD, {"host_id": host_id}).first()
    return (found.generation, found.host_name) if found is not None else (0, str(host_id))


def assigned_servers(session: Session, host_id: UUID) -> tuple[ServerWant, ...]:
    """Everything that the host is to have or to lose, by id."""
    rows = session.scalars(_SERVERS, {"host_id": host_id}).all()
    ids = [row.id for row in rows]
    claims = accelerator.claims_of(session, ids) if ids else {}
    ports = network.ports_of(session, ids) if ids else {}
    asked = actions.requests(session, ids) if ids else {}
    wants = (want_of(record_of(row), claims.get(row.id, ()), ports.get(row.id, ())) for row in rows)
    return tuple(want.model_copy(update={"request_id": asked.get(want.id, "")}) for want in wants)


def holds_servers(session: Session, host_id: UUID) -> bool:
    """Whether any server is, or must still be removed from, this host."""
    query = select(ServerRow.id).where(ServerRow.host_id == host_id, col(ServerRow.state).in_(HERE)).limit(1)
    return session.exec(query).first() is not None


def whereabouts(session: Session, server_ids: Iterable[UUID]) -> dict[UUID, tuple[State, UUID | None]]:
    """State and host of those of these servers that were ever known."""
    rows = session.exec(
        select(ServerRow.id, ServerRow.state, ServerRow.host_id).where(
            col(ServerRow.id).in_(list(server_ids))
        )
    )
    return {server_id: (State(state), host_id) for server_id, state, host_id in rows}


def uses_image(session: Session, host_id: UUID, image_id: UUID) -> bool:
    """Whether a server of this host is made from the image."""
    query = select(ServerRow.id).where(
        ServerRow.host_id == host_id,
        ServerRow.image_id == image_id,
        col(ServerRow.state).in_(HERE),
    )
    return session.exec(query.limit(1)).first() is not None


def store_console(session: Session, host_id: UUID, server_id: UUID, count: int, log: bytes) -> bool:
    """Keep the tail that the host sent, unless a newer one is there. False: not this host's server."""
    query = select(ServerRow.id).where(
        ServerRow.id == server_id, ServerRow.host_id == host_id, col(ServerRow.state).in_(HERE)
    )
    if session.exec(query).first() is None:
        return False
    row = session.get(ConsoleRow, server_id, with_for_update=True)
    if row is None:
        session.add(ConsoleRow(server_id=server_id, count=count, log=log))
    elif row.count <= count:
        row.count, row.log = count, log
    session.flush()
    wake_after_commit(session, f"server:{server_id}")
    return True
