"""Reads provider trees as they stand, as plain values: a search may look at thousands."""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, exists, or_, select
from sqlmodel import Session, col

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.tables import InventoryRow, ProviderRow, ProviderTraitRow
from kcloud_api.placement.tree import Provider, Tree


def trees(
    session: Session, root_ids: Sequence[UUID], request: ResourceRequest | None = None
) -> tuple[Tree, ...]:
    """The trees of these roots, in the order given. With `request`, only what it speaks of: the classes and
    traits that it names, and besides the roots only providers that have one of the classes."""
    classes = sorted(request.totals()) if request else None
    stocked = stocks(session, root_ids, classes)
    named = request.traits() if request else None
    traits = _traits(session, {*root_ids, *stocked} if request else _members(session, root_ids), named)
    statement = (
        select(
            col(ProviderRow.root_id), col(ProviderRow.id), col(ProviderRow.name),
            col(ProviderRow.generation), col(ProviderRow.parent_id),
        )
        .where(col(ProviderRow.root_id).in_(root_ids))
        .order_by(col(ProviderRow.root_id), col(ProviderRow.parent_id).is_not(None), col(ProviderRow.name))
    )  # fmt: skip
    if classes is not None:
        has_one = exists().where(
            col(InventoryRow.provider_id) == ProviderRow.id, col(InventoryRow.resource_class).in_(classes)
        )
        statement = statement.where(or_(col(ProviderRow.parent_id).is_(None), has_one))
    found = {
        root_id: Tree(
            tuple(
                Provider(id_, name, generation, parent_id, stocked.get(id_, {}), traits.get(id_, frozenset()))
                for _, id_, name, generation, parent_id in group
            )
        )
        for root_id, group in groupby(_rows(session, statement), key=lambda row: row[0])
    }
    return tuple(found[root_id] for root_id in root_ids if root_id in found)


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


def stock_of(row: InventoryRow) -> Stock:
    return Stock(
        total=row.total, reserved=row.reserved, min_unit=row.min_unit, max_unit=row.max_unit,
        step_size=row.step_size, allocation_ratio=row.allocation_ratio, used=row.used,
    )  # fmt: skip


def _traits(
    session: Session, provider_ids: Collection[UUID], names: Collection[str] | None
) -> dict[UUID, frozenset[str]]:
    if names is not None and not names:
        return {}
    # By ids and not by a join: SQLite would walk all providers that have the trait.
    statement = select(col(ProviderTraitRow.provider_id), col(ProviderTraitRow.trait)).where(
        col(ProviderTraitRow.provider_id).in_(list(provider_ids))
    )
    if names is not None:
        statement = statement.where(col(ProviderTraitRow.trait).in_(sorted(names)))
    found: dict[UUID, set[str]] = {}
    for provider_id, trait in _rows(session, statement):
        found.setdefault(provider_id, set()).add(trait)
    return {provider_id: frozenset(traits) for provider_id, traits in found.items()}


def _members(session: Session, root_ids: Sequence[UUID]) -> set[UUID]:
    statement = select(col(ProviderRow.id)).where(col(ProviderRow.root_id).in_(root_ids))
    return {row[0] for row in _rows(session, statement)}


def _rows(session: Session, statement: Executable) -> Iterable[Any]:
    """Past the session's objects: they cost more to make than to read, and may be older than a claim."""
    session.flush()
    return session.connection().execute(statement)
