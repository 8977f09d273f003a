"""Says which trees a transaction touched, and reads which were touched since: how snapshots stay current.

A reader keeps a `Position`, and asks for what is visible to it now and was not then. On SQLite, with one
writer at a time, that is every `seq` past the last one. PostgreSQL hands out its seqs before transactions
commit, so there a position is the snapshot that the last question saw (the transactions that were still open,
and where the unborn ones begin), and the question is for rows of just those: each row comes once, in whatever
order the transactions commit, and one that stays open for hours costs one look into the index.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Select,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session, col

from kcloud_api.db.columns import utcnow
from kcloud_api.placement.tables import ChangeRow

SHAPE = "shape"
USAGE = "usage"

LAST = 2**63 - 1
"""No transaction ever has this number."""

TOUCHED = "kcloud.placement.touched"
"""Key in `session.info`: roots that this session has touched: until it commits, only it sees what it did."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader has read. SQLite: rows up to `past`. PostgreSQL: transactions before `past` but for
    those that were open."""

    past: int
    open: frozenset[int] = frozenset()


def _as_number(transaction: ColumnElement[object]) -> ColumnElement[int]:
    # PostgreSQL casts xid8 to nothing but text.
    return cast(cast(transaction, Text), BigInteger)


def _unseen_on_postgresql() -> Select[tuple[str, int | None, UUID | None, str | None]]:
    """One statement, so that the rows and the snapshot that they are read by belong together. Where there are
    no rows there is still one, of the snapshot alone."""
    snapshot = cast(func.pg_current_snapshot(), Text).label("snapshot")
    now = select(snapshot, _as_number(func.pg_current_xact_id_if_assigned()).label("own")).subquery()
    transaction = col(ChangeRow.transaction)
    was_open = transaction == func.any(bindparam("open", type_=ARRAY(BigInteger)))
    unseen = or_(transaction >= bindparam("past"), was_open)
    not_mine = transaction.is_distinct_from(now.c.own)
    return select(
        now.c.snapshot, now.c.own, col(ChangeRow.root_id), col(ChangeRow.kind)
    ).select_from(now.outerjoin(ChangeRow, unseen & not_mine))  # fmt: skip


# Made once: this is asked before every read, and making it takes longer than asking.
_TOUCH = insert(ChangeRow)
_TOUCH_ON_POSTGRESQL = _TOUCH.values(transaction=_as_number(func.pg_current_xact_id()))
_UNSEEN = select(col(ChangeRow.seq), col(ChangeRow.root_id), col(ChangeRow.kind)).where(
    col(ChangeRow.seq) > bindparam("past")
)
_UNSEEN_ON_POSTGRESQL = _unseen_on_postgresql()


def touch(session: Session, root_ids: Iterable[UUID], kind: str = SHAPE) -> None:
    """Write down that this transaction changes the trees of these roots; call it in every transaction that
    writes placement's rows, before or after them.

    `kind` is `usage` where only amounts in use and generations change. For a provider that goes into another
    tree both roots are named; a root that is made or goes is named too.
    """
    ids = sorted(set(root_ids))
    if not ids:
        return
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    statement = _TOUCH_ON_POSTGRESQL if is_postgresql else _TOUCH
    session.connection().execute(statement, [{"root_id": root_id, "kind": kind} for root_id in ids])
    session.info.setdefault(TOUCHED, set()).update(ids)


def touched(session: Session) -> frozenset[UUID]:
    """Roots of trees that this session changed, perhaps not yet committed."""
    return frozenset(session.info.get(TOUCHED, ()))


def only_reads(session: Session) -> bool:
    """Whether it is one of Database.reading()'s."""
    return bool(session.get_bind().get_execution_options().get("kcloud_read_only", False))


def position(connection: Connection) -> Position:
    """Where the journal stands for this connection."""
    if connection.dialect.name == "postgresql":
        return _since_on_postgresql(connection, Position(LAST))[1]
    last = connection.execute(select(func.max(col(ChangeRow.seq)))).scalar()
    return Position(last or 0)


def since(connection: Connection, last: Position) -> tuple[Mapping[UUID, str], Position]:
    """Trees touched by what was committed since, with the stronger kind of what was done to each; and how far
    that reads. On SQLite the connection must not have written."""
    if connection.dialect.name == "postgresql":
        return _since_on_postgresql(connection, last)
    kinds: dict[UUID, str] = {}
    past = last.past
    for seq, root_id, kind in connection.execute(_UNSEEN, {"past": last.past}):
        past = max(past, seq or 0)
        _note(kinds, root_id, kind)
    return kinds, Position(past)


def any_older(session: Session, seconds: float) -> bool:
    """Whether `prune` would find something."""
    return (
        session.connection().execute(select(col(ChangeRow.seq)).where(*_outdated(seconds)).limit(1)).first()
        is not None
    )


def prune(session: Session, seconds: float) -> int:
    """Forget what was done more than so many seconds ago; how many rows went."""
    return session.connection().execute(delete(ChangeRow).where(*_outdated(seconds))).rowcount


def _outdated(seconds: float) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    # The last row stays: SQLite hands out the highest seq plus one, and must not hand out one twice.
    highest = select(func.max(col(ChangeRow.seq))).scalar_subquery()
    limit = utcnow() - timedelta(seconds=seconds)
    return col(ChangeRow.created_at) < limit, col(ChangeRow.seq) < highest


def _since_on_postgresql(connection: Connection, last: Position) -> tuple[Mapping[UUID, str], Position]:
    kinds: dict[UUID, str] = {}
    position = last
    asked = {"past": last.past, "open": sorted(last.open)}
    for row in connection.execute(_UNSEEN_ON_POSTGRESQL, asked):
        position = _parsed(row.snapshot, row.own)
        if row.root_id is not None:
            _note(kinds, row.root_id, row.kind)
    return kinds, position


def _note(kinds: dict[UUID, str], root_id: UUID, kind: str) -> None:
    if kinds.get(root_id) != SHAPE:
        kinds[root_id] = kind


def _parsed(snapshot: str, own: int | None) -> Position:
    """From `xmin:xmax:open,open`. One's own transaction is as good as open, and not among them."""
    _, past, listed = snapshot.split(":")
    still_open = {int(number) for number in listed.split(",") if number}
    return Position(int(past), frozenset(still_open if own is None else still_open | {own}))
