"""Reads trees from SQL as columns, many trees at a time and past the ORM: what blocks are built from.

One statement reads everything of its trees, so that even where each statement sees a later state of the
database than the one before it (PostgreSQL's default) no tree is half old and half new.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Float,
    LargeBinary,
    String,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal,
    null,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col

from kcloud_api.placement.tables import AggregateRow, InventoryRow, ProviderRow, ProviderTraitRow

ID = np.dtype("S16")
"""An id as its 16 bytes, which sort as ids do. Taken out alone it has lost trailing zero bytes."""


@dataclass(frozen=True, slots=True)
class ProviderRows:
    """`traits` and `aggregates` are as SQL joined them: with commas, in any order, perhaps twice."""

    created: NDArray[np.int64]
    """Microseconds since 1970."""
    ids: NDArray[np.bytes_]
    parents: NDArray[np.bytes_]
    """A root is its own."""
    names: NDArray[np.bytes_]
    generations: NDArray[np.int64]
    traits: Sequence[str | None]
    aggregates: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class StockRows:
    providers: NDArray[np.bytes_]
    classes: Sequence[str]
    ratios: NDArray[np.float64]
    limits: NDArray[np.int64]
    """A row each of total, reserved, min_unit, max_unit, step_size."""
    used: NDArray[np.int64]


def roots(connection: Connection) -> Iterator[UUID]:
    """Every root, in the order of trees."""
    statement = (
        select(col(ProviderRow.id))
        .where(col(ProviderRow.parent_id).is_(None))
        .order_by(col(ProviderRow.created_at), col(ProviderRow.id))
    )
    for (root_id,) in connection.execute(statement):
        yield root_id


def read(connection: Connection, root_ids: Sequence[UUID]) -> tuple[ProviderRows, StockRows]:
    """All of these trees, in no order; those that are no more are missing. At most some thousands at once."""
    result = connection.execute(_statement(connection.dialect.name), {"roots": list(root_ids)})
    cursor = result.cursor
    # The driver's tuples: a Row for each costs as much again as reading it.
    found = list(cursor.fetchall()) if cursor is not None else []
    result.close()
    return (
        _provider_rows([row for row in found if row[0] is not None]),
        _stock_rows([row for row in found if row[0] is None]),
    )


def _provider_rows(found: list[tuple[Any, ...]]) -> ProviderRows:
    columns = list(zip(*found, strict=True)) or [()] * 14
    created, ids, parents, names, generations = columns[:5]
    return ProviderRows(
        microseconds(created),
        ids_of(ids),
        ids_of([parent or id_ for parent, id_ in zip(parents, ids, strict=True)]),
        np.array([name.encode() for name in names], dtype=np.bytes_),
        np.array(generations, dtype=np.int64),
        columns[12],
        columns[13],
    )


def _stock_rows(found: list[tuple[Any, ...]]) -> StockRows:
    columns = list(zip(*found, strict=True)) or [()] * 14
    return StockRows(
        ids_of(columns[1]),
        columns[3],
        np.array(columns[5], dtype=np.float64),
        np.array(columns[6:11], dtype=np.int64),
        np.array(columns[11], dtype=np.int64),
    )


_statements: dict[str, Any] = {}


def _statement(dialect: str) -> Any:  # noqa: ANN401 - a union has a type that says nothing
    """Providers and inventories in one: `created` tells them apart."""
    if dialect not in _statements:
        _statements[dialect] = union_all(_providers(dialect), _inventories(dialect))
    return _statements[dialect]


def _providers(dialect: str) -> Any:  # noqa: ANN401
    nothing = cast(null(), BigInteger)
    traits = (
        select(func.aggregate_strings(col(ProviderTraitRow.trait), ","))
        .where(col(ProviderTraitRow.provider_id) == ProviderRow.id)
        .scalar_subquery()
    )
    aggregate = raw_id(col(AggregateRow.aggregate_id), "text" if dialect == "postgresql" else dialect)
    aggregates = (
        select(func.aggregate_strings(aggregate, ","))
        .where(col(AggregateRow.provider_id) == ProviderRow.id)
        .scalar_subquery()
    )
    return select(
        moment(dialect, col(ProviderRow.created_at)).label("created"),
        raw_id(col(ProviderRow.id), dialect).label("id"), raw_id(col(ProviderRow.parent_id), dialect),
        type_coerce(ProviderRow.name, Text), cast(ProviderRow.generation, BigInteger), cast(null(), Float),
        nothing, nothing, nothing, nothing, nothing, nothing, traits, aggregates,
    ).where(_asked(col(ProviderRow.root_id), dialect))  # fmt: skip


def _inventories(dialect: str) -> Any:  # noqa: ANN401
    no_id = cast(null(), LargeBinary if dialect == "postgresql" else String)
    no_text = cast(null(), Text)
    return select(
        cast(null(), BigInteger if dialect == "postgresql" else String),
        raw_id(col(InventoryRow.provider_id), dialect), no_id,
        type_coerce(InventoryRow.resource_class, Text), cast(null(), BigInteger),
        col(InventoryRow.allocation_ratio), col(InventoryRow.total), col(InventoryRow.reserved),
        col(InventoryRow.min_unit), col(InventoryRow.max_unit), col(InventoryRow.step_size),
        col(InventoryRow.used), no_text, no_text,
    ).where(_asked(col(InventoryRow.root_id), dialect))  # fmt: skip


def _asked(column: Any, dialect: str) -> ColumnElement[bool]:  # noqa: ANN401
    if dialect == "postgresql":
        # One parameter: psycopg parses a statement of a thousand of them anew each time.
        return column == func.any(bindparam("roots", type_=ARRAY(Uuid())))  # type: ignore[no-any-return]
    return column.in_(bindparam("roots", expanding=True, type_=Uuid()))  # type: ignore[no-any-return]


def raw_id(column: Any, dialect: str) -> ColumnElement[Any]:  # noqa: ANN401
    """An id as the database keeps it: making a million UUID objects costs more than reading them."""
    if dialect == "postgresql":
        return func.uuid_send(column, type_=LargeBinary)
    if dialect == "text":
        return cast(column, Text)
    return type_coerce(column, String)


def moment(dialect: str, created: Any) -> ColumnElement[Any]:  # noqa: ANN401
    if dialect == "postgresql":
        return cast(func.extract("epoch", created) * literal(1_000_000), BigInteger)
    return type_coerce(created, String)


def ids_of(raw: Sequence[Any]) -> NDArray[np.bytes_]:
    packed = bytes.fromhex("".join(raw)) if raw and isinstance(raw[0], str) else b"".join(raw)
    return np.frombuffer(packed, dtype=ID)


def microseconds(raw: Sequence[Any]) -> NDArray[np.int64]:
    if raw and isinstance(raw[0], str):
        return np.array(raw, dtype="datetime64[us]").astype(np.int64)
    return np.array(raw, dtype=np.int64)
