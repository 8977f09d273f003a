"""Chooses which roots to look at for a request, and in which order, by the indices alone.

What it leaves out cannot serve; what it lets through may. Where providers share with other trees, what these
could give narrows nothing.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Select, Subquery, func, literal, select
from sqlmodel import Session, col

from kcloud_api.placement.orders import ORDERS
from kcloud_api.placement.request import UNSUFFIXED, ResourceRequest
from kcloud_api.placement.tables import InventoryRow, ProviderRow, ProviderTraitRow
from kcloud_api.placement.tree import SHARES, Tree

FIRST_BATCH = 16
BATCH = 500
"""Trees that are read at once: few at first, as most requests end there."""
ENOUGH_TO_COMPARE = 1000
"""A class that this many trees can serve is not rare; counting stops there."""
EVERYWHERE = frozenset({"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"})
"""Classes that every host has: among equally many hosts they count as the less rare."""
RANDOM = "random"

Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Lent:
    """What the providers that share with other trees have: any of it may come from outside of a tree."""

    classes: frozenset[str] = frozenset()
    traits: frozenset[str] = frozenset()


NOTHING_LENT = Lent()


@dataclass(frozen=True, slots=True)
class _Need:
    """Of one class: in all, and the least and the most that one group asks of one provider."""

    resource_class: str
    total: int
    least: int
    most: int


def lent(trees: Sequence[Tree]) -> Lent:
    sharing = [p for tree in trees for p in tree.providers if SHARES in p.traits]
    return Lent(
        frozenset(name for p in sharing for name in p.stocks),
        frozenset(trait for p in sharing for trait in p.traits),
    )


def fitting_roots(
    session: Session, request: ResourceRequest, order: str, outside: Lent = NOTHING_LENT
) -> Iterator[Sequence[UUID]]:
    """Roots that may serve the request, in batches: `created` is the order of trees, `random` another one
    each time; orders.ORDERS has the others.

    The rarest class narrows: its range of the index is read, and trees without a required trait, or with a
    trait that shuts them, are left out.
    """
    needs = [need for need in _needs(request) if need.resource_class not in outside.classes]
    rarest = _rarest(session, needs)
    if needs and rarest is None:
        return
    statement = select(col(ProviderRow.id)).where(
        col(ProviderRow.parent_id).is_(None), *_conditions(request, outside)
    )
    by: Any = col(ProviderRow.created_at)
    if rarest is not None:
        serving = _serving(rarest)
        statement = statement.join(serving, col(ProviderRow.id) == serving.c.root_id)
        by = ORDERS[order] * serving.c.free if order in ORDERS else by
    elif order in ORDERS:
        by = literal(0)
    statement = statement.order_by(by, col(ProviderRow.id))
    if order == RANDOM:
        found = _ids(session, statement)
        yield from _batches(random.sample(found, len(found)))
    else:
        yield from _paged(session, statement)


def _needs(request: ResourceRequest) -> list[_Need]:
    asked: dict[str, list[int]] = {}
    for group in request.groups.values():
        for name, amount in group.resources.items():
            asked.setdefault(name, []).append(amount)
    return [_Need(name, sum(each), min(each), max(each)) for name, each in sorted(asked.items())]


def _rarest(session: Session, needs: Sequence[_Need]) -> _Need | None:
    """The class that fewest trees can serve; None when there is one that no tree can."""
    if not needs:
        return None
    # One question for all classes: this is asked for every server that is placed.
    counts = session.connection().execute(select(*(_fitting_count(need) for need in needs))).one()
    counted = [
        (count, need.resource_class in EVERYWHERE, need.resource_class, need)
        for count, need in zip(counts, needs, strict=True)
    ]
    count, _, _, rarest = min(counted)
    return rarest if count else None


def _fitting_count(need: _Need) -> ScalarSelect[int]:
    fitting = (
        select(col(InventoryRow.root_id))
        .where(col(InventoryRow.resource_class) == need.resource_class, col(InventoryRow.free) >= need.most)
        .distinct()
        .limit(ENOUGH_TO_COMPARE)
        .subquery()
    )
    return select(func.count()).select_from(fitting).scalar_subquery()


def _serving(need: _Need) -> Subquery:
    """Roots of trees with enough of the class, and how much they have free."""
    free = func.sum(InventoryRow.free)
    return (
        select(col(InventoryRow.root_id).label("root_id"), free.label("free"))
        .where(col(InventoryRow.resource_class) == need.resource_class, col(InventoryRow.free) >= need.least)
        .group_by(col(InventoryRow.root_id))
        .having(free >= need.total, func.max(InventoryRow.free) >= need.most)
        .subquery()
    )


def _conditions(request: ResourceRequest, outside: Lent) -> Iterator[Condition]:
    """What indices can say of a root's traits, and of those in its tree."""
    root = col(ProviderRow.id)
    for trait in sorted(request.root_required):
        yield root.in_(_having([trait]))
    if request.root_forbidden:
        yield root.not_in(_having(sorted(request.root_forbidden)))
    for any_of in sorted(
        {any_of for group in request.groups.values() for any_of in group.required}, key=sorted
    ):
        if any_of.isdisjoint(outside.traits):
            members = select(col(ProviderRow.root_id)).where(col(ProviderRow.id).in_(_having(sorted(any_of))))
            yield root.in_(members)
    # A suffixed group may have another tree in mind, one that shares.
    yield from _in_trees(request, of_all=not outside.traits)


def _in_trees(request: ResourceRequest, *, of_all: bool = True) -> Iterator[Condition]:
    for suffix, group in request.groups.items():
        if group.in_tree is not None and (suffix == UNSUFFIXED or of_all):
            known = select(col(ProviderRow.root_id)).where(col(ProviderRow.id) == group.in_tree)
            yield col(ProviderRow.id) == known.scalar_subquery()


def _having(traits: Sequence[str]) -> Select[Any]:
    return select(col(ProviderTraitRow.provider_id)).where(col(ProviderTraitRow.trait).in_(traits))


def _paged(session: Session, statement: Select[Any]) -> Iterator[Sequence[UUID]]:
    first = _ids(session, statement.limit(FIRST_BATCH))
    yield first
    if len(first) == FIRST_BATCH:
        # All once more, and not from there on: between two statements somebody may have changed the order.
        seen = set(first)
        yield from _batches([root_id for root_id in _ids(session, statement) if root_id not in seen])


def _batches(root_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(root_ids), BATCH):
        yield root_ids[start : start + BATCH]


def _ids(session: Session, statement: Select[Any]) -> list[UUID]:
    session.flush()
    return [row[0] for row in session.connection().execute(statement)]
