"""Reads provider trees as they stand, as plain values: a search may look at thousands.

Past the session's objects, which cost more to make than to read, and may be older than a claim.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Select, select
from sqlmodel import Session, col

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.tables import AggregateRow, InventoryRow, ProviderRow, ProviderTraitRow
from kcloud_api.placement.tree import SHARES, Provider, Tree, shares_with


def trees(session: Session, root_ids: Sequence[UUID]) -> tuple[Tree, ...]:
    """The trees of these roots, in the order given, without those that share with them."""
    if not root_ids:
        return ()
    stocked = stocks(session, root_ids)
    traits = _sets(session, _of_members(ProviderTraitRow.provider_id, ProviderTraitRow.trait, root_ids))
    aggregates = _sets(session, _of_members(AggregateRow.provider_id, AggregateRow.aggregate_id, root_ids))
    statement = (
        select(
            col(ProviderRow.root_id), col(ProviderRow.id), col(ProviderRow.name),
            col(ProviderRow.generation), col(ProviderRow.parent_id),
        )
        .where(col(ProviderRow.root_id).in_(root_ids))
        .order_by(col(ProviderRow.root_id), col(ProviderRow.created_at), col(ProviderRow.id))
    )  # fmt: skip
    found: dict[UUID, Tree] = {}
    for root_id, group in groupby(_rows(session, statement), key=lambda row: row[0]):
        members = [
            Provider(
                id_, name, generation, parent_id,
                stocked.get(id_, {}), traits.get(id_, frozenset()), aggregates.get(id_, frozenset()),
            )
            for _, id_, name, generation, parent_id in group
        ]  # fmt: skip
        found[root_id] = Tree(depth_first(members))
    return tuple(found[root_id] for root_id in root_ids if root_id in found)


def depth_first(members: Iterable[Provider]) -> tuple[Provider, ...]:
    """The providers of one tree, given with siblings in order."""
    below: dict[UUID | None, list[Provider]] = {}
    for provider in members:
        below.setdefault(provider.parent_id, []).append(provider)
    found: list[Provider] = []
    waiting = below.get(None, [])[::-1]
    while waiting:
        provider = waiting.pop()
        found.append(provider)
        waiting += reversed(below.get(provider.id, ()))
    return tuple(found)


def lending_trees(session: Session) -> tuple[Tree, ...]:
    """The trees of providers that share with other trees, in the order of trees. Mostly there are none, and
    this is one look at an index."""
    root_ids = select(col(ProviderRow.root_id)).where(
        col(ProviderRow.id).in_(
            select(col(ProviderTraitRow.provider_id)).where(col(ProviderTraitRow.trait) == SHARES)
        )
    )
    ordered = (
        select(col(ProviderRow.id))
        .where(col(ProviderRow.id).in_(root_ids))
        .order_by(col(ProviderRow.created_at), col(ProviderRow.id))
    )
    return trees(session, [row[0] for row in _rows(session, ordered)])


def attached(tree: Tree, lending: Sequence[Tree]) -> Tree:
    """The tree with those of `lending` that share with it."""
    if not lending:
        return tree
    aggregates = tree.aggregates
    sharing = tuple(
        other
        for other in lending
        if other.root.id != tree.root.id and any(shares_with(p, aggregates) for p in other.providers)
    )
    return Tree(tree.providers, sharing, tree.notes) if sharing else tree


def stocks(
    session: Session, root_ids: Sequence[UUID], classes: Collection[str] | None = None
) -> dict[UUID, dict[str, Stock]]:
    """What each provider of these trees has, of `classes` or of all."""
    statement = select(
        col(InventoryRow.provider_id), col(InventoryRow.resource_class),
        col(InventoryRow.total), col(InventoryRow.reserved), col(InventoryRow.min_unit),
        col(InventoryRow.max_unit), col(InventoryRow.step_size), col(InventoryRow.allocation_ratio),
        col(InventoryRow.used),
    ).where(col(InventoryRow.root_id).in_(root_ids))  # fmt: skip
    if classes is not None:
        statement = statement.where(col(InventoryRow.resource_class).in_(sorted(classes)))
    found: dict[UUID, dict[str, Stock]] = {}
    for provider_id, name, *amounts in _rows(session, statement):
        # The columns are in the order of Stock's fields.
        found.setdefault(provider_id, {})[name] = Stock(*amounts)
    return found


def _of_members(provider_id: Any, value: Any, root_ids: Sequence[UUID]) -> Select[Any]:  # noqa: ANN401 - columns
    # By ids and not by a join: SQLite would walk all rows of the table.
    members = select(col(ProviderRow.id)).where(col(ProviderRow.root_id).in_(root_ids))
    return select(provider_id, value).where(provider_id.in_(members))


def _sets(session: Session, statement: Select[Any]) -> dict[UUID, frozenset[Any]]:
    found: dict[UUID, set[Any]] = {}
    for provider_id, value in _rows(session, statement):
        found.setdefault(provider_id, set()).add(value)
    return {provider_id: frozenset(values) for provider_id, values in found.items()}


def _rows(session: Session, statement: Executable) -> Iterable[Any]:
    session.flush()
    return session.connection().execute(statement)
