"""Reads what may change in trees without a change of their shape: generations, and amounts in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Executable,
    Integer,
    String,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    null,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col

from kcloud_api.db import straight
from kcloud_api.placement.snapshot.rows import ids_of, microseconds, moment, raw_id
from kcloud_api.placement.tables import InventoryRow, ProviderRow


@dataclass(slots=True)
class TreeAmounts:
    """Of one tree. Ids have lost their trailing zero bytes."""

    root: bytes
    created: int
    """Of the root, in microseconds since 1970."""
    generations: dict[bytes, int]
    used: dict[str, dict[bytes, int]]
    """By class and provider."""


def amounts(connection: Connection, root_ids: Sequence[UUID]) -> dict[bytes, TreeAmounts]:
    """By root, for those that still are roots."""
    found = _found(connection, root_ids)
    ids, roots = (ids_of([row[at] for row in found]).tolist() for at in (1, 2))
    trees: dict[bytes, TreeAmounts] = {}
    for (created, *_), id_, root in zip(found, ids, roots, strict=True):
        if created is not None and id_ == root:
            trees[root] = TreeAmounts(root, int(microseconds([created])[0]), {}, {})
    for (_, _, _, generation, name, used), id_, root in zip(found, ids, roots, strict=True):
        tree = trees.get(root)
        if tree is None:
            continue
        if name is None:
            tree.generations[id_] = generation
        else:
            tree.used.setdefault(name, {})[id_] = used
    return trees


def _found(connection: Connection, root_ids: Sequence[UUID]) -> straight.Rows:
    """Providers, and inventories, which alone have a class. In one statement: of one moment."""
    if connection.dialect.name == "postgresql":
        return _ON_POSTGRESQL.rows(connection, {"roots": straight.array(root_ids)})
    result = connection.execute(_ON_SQLITE, {"roots": list(root_ids)})
    cursor = result.cursor
    found = list(cursor.fetchall()) if cursor is not None else []
    result.close()
    return found


def _statement(dialect: str) -> Executable:
    identity = String if dialect == "sqlite" else BigInteger
    providers = select(
        moment(dialect, col(ProviderRow.created_at)),
        raw_id(col(ProviderRow.id), dialect), raw_id(col(ProviderRow.root_id), dialect),
        cast(ProviderRow.generation, Integer), cast(null(), Text), cast(null(), BigInteger),
    ).where(_asked(col(ProviderRow.root_id), dialect))  # fmt: skip
    inventories = select(
        cast(null(), identity),
        raw_id(col(InventoryRow.provider_id), dialect), raw_id(col(InventoryRow.root_id), dialect),
        cast(null(), Integer), type_coerce(InventoryRow.resource_class, Text), col(InventoryRow.used),
    ).where(_asked(col(InventoryRow.root_id), dialect))  # fmt: skip
    return union_all(providers, inventories)


def _asked(column: Any, dialect: str) -> ColumnElement[bool]:  # noqa: ANN401
    if dialect == "sqlite":
        return column.in_(bindparam("roots", expanding=True, type_=Uuid()))  # type: ignore[no-any-return]
    # By a subquery, so that PostgreSQL cannot count them beforehand: it would plan anew for each number of
    # them, and that takes longer than the answer.
    listed = select(func.unnest(bindparam("roots", type_=ARRAY(Uuid())))).scalar_subquery()
    return column == func.any(func.array(listed))  # type: ignore[no-any-return]


_ON_SQLITE = _statement("sqlite")
_ON_POSTGRESQL = straight.Query(_statement("postgresql"))
