"""Finds the providers that a query leaves: one statement, whatever is asked, read a piece at a time.

A list may be as long as the cloud has providers. So it is never in memory as a whole: a cursor of one
transaction reads it, in which the database stands still.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    Connection,
    CursorResult,
    Select,
    String,
    Text,
    func,
    literal,
    select,
    text,
    type_coerce,
)
from sqlalchemy import cast as sql_cast
from sqlmodel import Session, col

from kcloud_api.db.engine import Database
from kcloud_api.http.turns import Turns
from kcloud_api.placement import vocabulary
from kcloud_api.placement.provider_list import Listed, at, latest
from kcloud_api.placement.query import ProviderQuery
from kcloud_api.placement.tables import AggregateRow, InventoryRow, ProviderRow, ProviderTraitRow
from kcloud_common.errors import BadRequest

PIECE = 1000
"""Providers that are read at a time."""
LONG_LISTS = Turns(at_once=8, waiting=16, patience=30)
"""Each holds a connection for as long as its client takes to read."""


class Providers:
    """What one query found. `first` is read; `rest` reads on. It must be closed, if it is not `complete`."""

    def __init__(self, first: Sequence[Listed], modified: datetime | None) -> None:
        self.first = first
        self.modified = modified
        """When one of them all changed last."""
        self.rest: Iterator[Sequence[Listed]] = iter(())
        self.complete = True
        self._closing = ExitStack()

    def reads_on(self, rest: Iterator[Sequence[Listed]], closing: ExitStack) -> None:
        self.rest, self._closing, self.complete = rest, closing, False

    def close(self) -> None:
        """Safe to repeat."""
        self._closing.close()


def providers(session: Session, query: ProviderQuery, database: Database) -> Providers:
    """By name. Amounts, traits and aggregates are asked of each provider by itself. BadRequest for a class or
    trait that does not exist; Unavailable where too many long lists are being read. The session gives back
    its connection."""
    _check_names(session, query)
    statement = _narrowed(_columns(database.engine.dialect.name), query)
    if query.name or query.id is not None or query.in_tree is not None:
        # One provider, or one tree: not worth a cursor.
        rows = cast("Sequence[Listed]", session.connection().execute(statement).all())
        return Providers(rows, latest(rows))
    # Whoever held two at a time could wait for the second for ever.
    session.rollback()
    with ExitStack() as closing:
        connection = closing.enter_context(_still(database))
        result = connection.execute(statement, execution_options={"yield_per": PIECE})
        closing.callback(result.close)
        pieces = _pieces(result)
        first = next(pieces, ())
        if len(first) < PIECE:
            return Providers(first, latest(first))
        closing.enter_context(LONG_LISTS.turn())
        newest = select(func.max(_moment(database.engine.dialect.name)))
        found = Providers(first, at(connection.execute(_narrowed(newest, query)).scalar_one()))
        found.reads_on(pieces, closing.pop_all())
        return found


def _pieces(result: CursorResult[Any]) -> Iterator[Sequence[Listed]]:
    # SQLAlchemy looks one row ahead. The others come from the driver: a Row for each costs as much again.
    piece: list[Any] = [tuple(row) for row in result.fetchmany(1)]
    cursor = result.cursor
    if not piece or cursor is None:
        return
    piece += cursor.fetchmany(PIECE - 1)
    while piece:
        yield cast("Sequence[Listed]", piece)
        piece = list(cursor.fetchmany(PIECE))


@contextmanager
def _still(database: Database) -> Iterator[Connection]:
    """A connection for which the database stands still, and which nobody else uses."""
    if database.is_sqlite:
        with database.reading() as session:
            yield session.connection()
        return
    with database.engine.connect() as connection:
        still = connection.execution_options(isolation_level="REPEATABLE READ")
        # Compiling the statement takes longer than running it.
        still.execute(text("SET LOCAL jit = off"))
        yield still


def _columns(dialect: str) -> Select[Any]:
    """In the order of Listed's fields, past the types of SQLAlchemy and the driver: making 30,000 UUIDs and
    10,000 times takes longer than all else."""
    return select(
        _id(col(ProviderRow.id), dialect), _as_kept(col(ProviderRow.name)),
        _as_kept(col(ProviderRow.generation)), _id(col(ProviderRow.parent_id), dialect),
        _id(col(ProviderRow.root_id), dialect), _moment(dialect),
    ).order_by(col(ProviderRow.name))  # fmt: skip


def _id(column: Any, dialect: str) -> Any:  # noqa: ANN401 - a column expression
    return sql_cast(column, Text) if dialect == "postgresql" else _as_kept(column)


def _moment(dialect: str) -> Any:  # noqa: ANN401
    if dialect == "postgresql":
        return func.date_part("epoch", col(ProviderRow.updated_at))
    return _as_kept(col(ProviderRow.updated_at))


def _as_kept(column: Any) -> Any:  # noqa: ANN401
    return type_coerce(column, String)


def _narrowed(statement: Select[Any], query: ProviderQuery) -> Select[Any]:
    # Upstream takes an empty name for none.
    if query.name:
        statement = statement.where(col(ProviderRow.name) == query.name)
    if query.id is not None:
        statement = statement.where(col(ProviderRow.id) == query.id)
    if query.in_tree is not None:
        root = select(col(ProviderRow.root_id)).where(col(ProviderRow.id) == query.in_tree).scalar_subquery()
        statement = statement.where(col(ProviderRow.root_id) == root)
    for name, amount in query.resources.items():
        statement = statement.where(col(ProviderRow.id).in_(_with_room(name, amount)))
    for any_of in query.required:
        statement = statement.where(col(ProviderRow.id).in_(_with_trait(any_of)))
    if query.forbidden:
        statement = statement.where(col(ProviderRow.id).not_in(_with_trait(query.forbidden)))
    for aggregates in query.member_of:
        statement = statement.where(col(ProviderRow.id).in_(_in_aggregate(aggregates)))
    if query.not_member_of:
        statement = statement.where(col(ProviderRow.id).not_in(_in_aggregate(query.not_member_of)))
    return statement


def _check_names(session: Session, query: ProviderQuery) -> None:
    if unknown := sorted(vocabulary.unknown_classes(session, query.resources.keys())):
        raise BadRequest(
            f"Invalid resource class in resources parameter: No such resource class {', '.join(unknown)}."
        )
    traits = query.forbidden.union(*query.required)
    if unknown := sorted(vocabulary.unknown_traits(session, traits)):
        raise BadRequest(f'Invalid trait(s) in "required" parameter: No such trait(s): {", ".join(unknown)}.')


def _with_room(name: str, amount: int) -> Select[Any]:
    return select(col(InventoryRow.provider_id)).where(
        col(InventoryRow.resource_class) == name,
        col(InventoryRow.free) >= amount,
        col(InventoryRow.min_unit) <= amount,
        col(InventoryRow.max_unit) >= amount,
        literal(amount) % col(InventoryRow.step_size) == 0,
    )


def _with_trait(traits: Collection[str]) -> Select[Any]:
    return select(col(ProviderTraitRow.provider_id)).where(col(ProviderTraitRow.trait).in_(sorted(traits)))


def _in_aggregate(aggregates: Collection[UUID]) -> Select[Any]:
    return select(col(AggregateRow.provider_id)).where(col(AggregateRow.aggregate_id).in_(sorted(aggregates)))
