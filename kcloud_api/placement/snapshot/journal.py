"""Says which trees a transaction touched, and reads which were touched since: how snapshots stay current.

A reader keeps a `Position`, and asks for what is visible to it now and was not then. On SQLite, with one
writer at a time, that is every `seq` past the last one. PostgreSQL hands out its seqs before transactions
commit, so there a position is the snapshot that the last question saw (the transactions that were still open,
and where the unborn ones begin), and the question is for rows of just those: each row comes once, in whatever
order the transactions commit, and one that stays open for hours costs one look into the index.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Executable,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session, col

from kcloud_api.db import straight
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
    """How far a reader has read: up to the row `last`, written at `mark`. On PostgreSQL, transactions before
    `past` but for those that were `open`."""

    last: int = 0
    mark: datetime | None = None
    past: int = 0
    open: frozenset[int] = frozenset()


def _as_number(transaction: ColumnElement[object]) -> ColumnElement[int]:
    # PostgreSQL casts xid8 to nothing but text.
    return cast(cast(transaction, Text), BigInteger)


_COLUMNS = (col(ChangeRow.seq), col(ChangeRow.root_id), col(ChangeRow.kind), col(ChangeRow.created_at))
_MARK = (
    select(col(ChangeRow.created_at))
    .where(col(ChangeRow.seq) == bindparam("last"))
    .scalar_subquery()
    .label("mark")
)
"""When the last row that was read was written, if it is still there."""


def _unseen() -> Executable:
    """Where there are no rows there is still one, of what else is asked."""
    always = select(literal(1)).subquery()
    return select(_MARK, null().label("snapshot"), null().label("own"), *_COLUMNS).select_from(
        always.outerjoin(ChangeRow, col(ChangeRow.seq) > bindparam("last"))
    )


def _unseen_on_postgresql() -> Executable:
    """One statement, so that the rows and the snapshot that they are read by belong together."""
    snapshot = cast(func.pg_current_snapshot(), Text).label("snapshot")
    now = select(snapshot, _as_number(func.pg_current_xact_id_if_assigned()).label("own")).subquery()
    transaction = col(ChangeRow.transaction)
    was_open = transaction == func.any(bindparam("open", type_=ARRAY(BigInteger)))
    unseen = or_(transaction >= bindparam("past"), was_open)
    not_mine = transaction.is_distinct_from(now.c.own)
    return select(_MARK, now.c.snapshot, now.c.own, *_COLUMNS).select_from(
        now.outerjoin(ChangeRow, unseen & not_mine)
    )


# Made once: this is asked before every read, and making it takes longer than asking.
_TOUCH = insert(ChangeRow)
_TOUCH_ON_POSTGRESQL = _TOUCH.values(transaction=_as_number(func.pg_current_xact_id()))
_UNSEEN = _unseen()
_UNSEEN_ON_POSTGRESQL = straight.Query(_unseen_on_postgresql())


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
    rows = [{"root_id": root_id, "kind": kind} for root_id in ids]
    # One row, the usual number, is no list: psycopg would open a pipeline for it.
    session.connection().execute(statement, rows if len(rows) > 1 else rows[0])
    remember(session, ids)


def remember(session: Session, root_ids: Iterable[UUID]) -> None:
    """What `touch` does besides writing: for who has written the rows himself."""
    session.info.setdefault(TOUCHED, set()).update(root_ids)


def touched(session: Session) -> frozenset[UUID]:
    """Roots of trees that this session changed, perhaps not yet committed."""
    return frozenset(session.info.get(TOUCHED, ()))


def only_reads(session: Session) -> bool:
    """Whether it is one of Database.reading()'s."""
    return bool(session.get_bind().get_execution_options().get("kcloud_read_only", False))


def position(connection: Connection) -> Position:
    """Where the journal stands for this connection."""
    newest = (
        select(col(ChangeRow.seq), col(ChangeRow.created_at)).order_by(col(ChangeRow.seq).desc()).limit(1)
    )
    row = connection.execute(newest).first()
    found = since(connection, Position(row[0] or 0, row[1], LAST) if row else Position(past=LAST))
    return found[1] if found is not None else Position()


def since(connection: Connection, before: Position) -> tuple[Mapping[UUID, str], Position] | None:
    """Trees touched by what was committed since, with the stronger kind of what was done to each; and how far
    that reads. None: the journal goes back so far no more. On SQLite the connection must not have written."""
    kinds: dict[UUID, str] = {}
    last, mark = before.last, before.mark
    found = _found(connection, before)
    for known_mark, _, _, seq, root_id, kind, created_at in found:
        if before.last and known_mark != before.mark:
            return None
        if seq is None:
            break
        if seq > last:
            last, mark = seq, created_at
        if kinds.get(root_id) != SHAPE:
            kinds[root_id] = kind
    snapshot, own = found[-1][1:3]
    if snapshot is None:
        return kinds, Position(last, mark)
    return kinds, Position(last, mark, *_parsed(snapshot, own))


def _found(connection: Connection, before: Position) -> Sequence[Sequence[Any]]:
    if connection.dialect.name == "sqlite":
        return connection.execute(_UNSEEN, {"last": before.last}).all()
    asked = {"last": before.last, "past": before.past, "open": straight.array(before.open)}
    return _UNSEEN_ON_POSTGRESQL.rows(connection, asked)


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
    # The last row stays: by it readers know the journal again, and SQLite hands out the highest seq plus one.
    highest = select(func.max(col(ChangeRow.seq))).scalar_subquery()
    limit = utcnow() - timedelta(seconds=seconds)
    return col(ChangeRow.created_at) < limit, col(ChangeRow.seq) < highest


def _parsed(snapshot: str, own: int | None) -> tuple[int, frozenset[int]]:
    """From `xmin:xmax:open,open`. One's own transaction is as good as open, and not among them."""
    _, past, listed = snapshot.split(":")
    still_open = {int(number) for number in listed.split(",") if number}
    return int(past), frozenset(still_open if own is None else still_open | {own})
