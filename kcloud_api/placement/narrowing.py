"""Chooses which hosts to look at for a request, and in which order, by the indices alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ScalarSelect
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from kcloud_api.placement.candidates import ORDERS
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.tables import InventoryRow, ProviderRow, ProviderTraitRow

FIRST_BATCH = 16
BATCH = 500
"""Hosts whose trees are read at once: few at first, as most requests end there."""
ENOUGH_TO_COMPARE = 1000
"""A class that this many hosts can serve is not rare; counting stops there."""
EVERYWHERE = frozenset({"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"})
"""Classes that every host has: among equally many hosts they count as the less rare."""


@dataclass(frozen=True, slots=True)
class _Need:
    """Of one class: in all, and the least and the most that one group asks of one provider."""

    resource_class: str
    total: int
    least: int
    most: int


def fitting_roots(session: Session, request: ResourceRequest, order: str) -> Iterator[Sequence[UUID]]:
    """Roots that may serve the request, in batches, in the order that the policy wants.

    The rarest class narrows: its range of the index is read, and hosts without a required trait, or with a
    trait that shuts them, are left out.
    """
    rarest = _rarest(session, request)
    if rarest is None:
        return
    free = func.sum(InventoryRow.free)
    statement = (
        select(InventoryRow.root_id)
        .where(InventoryRow.resource_class == rarest.resource_class, InventoryRow.free >= rarest.least)
        .group_by(col(InventoryRow.root_id))
        .having(free >= rarest.total, func.max(InventoryRow.free) >= rarest.most)
        .order_by(ORDERS[order] * free, col(InventoryRow.root_id))
    )
    for trait in _required_anywhere(request):
        with_trait = (
            select(ProviderRow.root_id)
            .join(ProviderTraitRow, col(ProviderTraitRow.provider_id) == ProviderRow.id)
            .where(ProviderTraitRow.trait == trait)
        )
        statement = statement.where(col(InventoryRow.root_id).in_(with_trait))
    if request.root_forbidden:
        shut = select(ProviderTraitRow.provider_id).where(
            col(ProviderTraitRow.trait).in_(sorted(request.root_forbidden))
        )
        statement = statement.where(col(InventoryRow.root_id).not_in(shut))
    for in_tree in _trees_asked_for(request):
        statement = statement.where(InventoryRow.root_id == _root_of(in_tree))
    yield from _paged(session, statement)


def all_roots(session: Session, request: ResourceRequest) -> Iterator[Sequence[UUID]]:
    """Every root, by name: what an explanation covers."""
    statement = select(ProviderRow.id).where(col(ProviderRow.parent_id).is_(None))
    for in_tree in _trees_asked_for(request):
        statement = statement.where(ProviderRow.id == _root_of(in_tree))
    yield from _batches(session.exec(statement.order_by(ProviderRow.name)).all())


def _needs(request: ResourceRequest) -> list[_Need]:
    asked: dict[str, list[int]] = {}
    for group in request.groups.values():
        for name, amount in group.resources.items():
            asked.setdefault(name, []).append(amount)
    return [_Need(name, sum(each), min(each), max(each)) for name, each in sorted(asked.items())]


def _rarest(session: Session, request: ResourceRequest) -> _Need | None:
    """The class that fewest hosts can serve; None when there is one that no host can."""
    needs = _needs(request)
    if not needs:
        return None
    # One question for all classes: this is asked for every server that is placed.
    counts = session.connection().execute(sql_select(*(_fitting_count(need) for need in needs))).one()
    counted = [
        (count, need.resource_class in EVERYWHERE, need.resource_class, need)
        for count, need in zip(counts, needs, strict=True)
    ]
    count, _, _, rarest = min(counted)
    return rarest if count else None


def _fitting_count(need: _Need) -> ScalarSelect[int]:
    fitting = (
        select(InventoryRow.root_id)
        .where(InventoryRow.resource_class == need.resource_class, InventoryRow.free >= need.most)
        .distinct()
        .limit(ENOUGH_TO_COMPARE)
        .subquery()
    )
    return select(func.count()).select_from(fitting).scalar_subquery()


def _required_anywhere(request: ResourceRequest) -> list[str]:
    single = (one for group in request.groups.values() for one in group.required if len(one) == 1)
    return sorted(request.root_required.union(*single))


def _trees_asked_for(request: ResourceRequest) -> set[UUID]:
    return {group.in_tree for group in request.groups.values() if group.in_tree is not None}


def _root_of(provider_id: UUID) -> ScalarSelect[UUID]:
    return select(ProviderRow.root_id).where(ProviderRow.id == provider_id).scalar_subquery()


def _paged(session: Session, statement: SelectOfScalar[UUID]) -> Iterator[Sequence[UUID]]:
    first = session.exec(statement.limit(FIRST_BATCH)).all()
    yield first
    if len(first) == FIRST_BATCH:
        yield from _batches(session.exec(statement.offset(FIRST_BATCH)).all())


def _batches(root_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(root_ids), BATCH):
        yield root_ids[start : start + BATCH]
