"""Reads provider trees for the candidate search: which hosts to look at, in which order, what they have."""

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from uuid import UUID

from sqlalchemy import ScalarSelect
from sqlmodel import Session, col, func, select

from kcloud_api.placement.candidates import ORDERS, Provider, Tree
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.tables import InventoryRow, ProviderRow, ProviderTraitRow

BATCH = 200
"""Hosts whose trees are read at once."""
ENOUGH_TO_COMPARE = 1000
"""A class that this many hosts can serve is not rare; counting stops there."""
EVERYWHERE = frozenset({"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"})
"""Classes that every host has: among equally many hosts they count as the less rare."""


def fitting_roots(session: Session, request: ResourceRequest, order: str) -> Iterator[Sequence[UUID]]:
    """Roots that may serve the request, in batches, in the order that the policy wants.

    The rarest class narrows: its range of the index is read, and hosts without a required trait, or with a
    trait that shuts them, are left out.
    """
    rarest = _rarest_class(session, request)
    if rarest is None:
        return
    resource_class, amount = rarest
    free = func.sum(InventoryRow.free)
    statement = (
        select(InventoryRow.root_id)
        .where(InventoryRow.resource_class == resource_class, InventoryRow.free >= amount)
        .group_by(col(InventoryRow.root_id))
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
    if request.in_tree is not None:
        statement = statement.where(InventoryRow.root_id == _root_of(request.in_tree))
    yield from _batches(session.exec(statement).all())


def all_roots(session: Session, request: ResourceRequest) -> Iterator[Sequence[UUID]]:
    """Every root, by name: what an explanation covers."""
    statement = select(ProviderRow.id).where(col(ProviderRow.parent_id).is_(None))
    if request.in_tree is not None:
        statement = statement.where(ProviderRow.id == _root_of(request.in_tree))
    yield from _batches(session.exec(statement.order_by(ProviderRow.name)).all())


def trees(
    session: Session, root_ids: Sequence[UUID], request: ResourceRequest | None = None
) -> tuple[Tree, ...]:
    """The trees of these roots, in the order given; with `request`, only the classes and traits it names."""
    stocked = stocks(session, root_ids, request.totals().keys() if request else None)
    traits = _traits(session, root_ids, _traits_named(request) if request else None)
    rows = session.exec(
        select(ProviderRow)
        .where(col(ProviderRow.root_id).in_(root_ids))
        .order_by(col(ProviderRow.root_id), col(ProviderRow.parent_id).is_not(None), col(ProviderRow.name))
        # A row may be in the session from before a claim; what is read now counts.
        .execution_options(populate_existing=True)
    )
    found = {
        root_id: Tree(
            tuple(
                Provider(
                    row.id, row.name, row.generation, stocked.get(row.id, {}),
                    frozenset(traits.get(row.id, ())), row.parent_id,
                )
                for row in group
            )
        )
        for root_id, group in groupby(rows, key=lambda row: row.root_id)
    }  # fmt: skip
    return tuple(found[root_id] for root_id in root_ids if root_id in found)


def stocks(
    session: Session, root_ids: Sequence[UUID], classes: Collection[str] | None = None
) -> dict[UUID, dict[str, Stock]]:
    """What each provider of these trees has, of `classes` or of all."""
    statement = select(InventoryRow).where(col(InventoryRow.root_id).in_(root_ids))
    if classes is not None:
        statement = statement.where(col(InventoryRow.resource_class).in_(sorted(classes)))
    found: dict[UUID, dict[str, Stock]] = {}
    for row in session.exec(statement.execution_options(populate_existing=True)):
        found.setdefault(row.provider_id, {})[row.resource_class] = stock_of(row)
    return found


def stock_of(row: InventoryRow) -> Stock:
    return Stock(
        total=row.total, reserved=row.reserved, min_unit=row.min_unit, max_unit=row.max_unit,
        step_size=row.step_size, allocation_ratio=row.allocation_ratio, used=row.used,
    )  # fmt: skip


def _traits(
    session: Session, root_ids: Sequence[UUID], names: Collection[str] | None
) -> dict[UUID, set[str]]:
    if names is not None and not names:
        return {}
    statement = (
        select(ProviderTraitRow.provider_id, ProviderTraitRow.trait)
        .join(ProviderRow, col(ProviderRow.id) == ProviderTraitRow.provider_id)
        .where(col(ProviderRow.root_id).in_(root_ids))
    )
    if names is not None:
        statement = statement.where(col(ProviderTraitRow.trait).in_(sorted(names)))
    found: dict[UUID, set[str]] = {}
    for provider_id, trait in session.exec(statement):
        found.setdefault(provider_id, set()).add(trait)
    return found


def _rarest_class(session: Session, request: ResourceRequest) -> tuple[str, int] | None:
    """The class that fewest hosts can serve, with the most that one provider must give of it."""
    most: dict[str, int] = {}
    for amounts in request.groups.values():
        for name, amount in amounts.items():
            most[name] = max(amount, most.get(name, 0))
    counted: list[tuple[int, bool, str]] = []
    for name, amount in most.items():
        fitting = (
            select(InventoryRow.root_id)
            .where(InventoryRow.resource_class == name, InventoryRow.free >= amount)
            .distinct()
            .limit(ENOUGH_TO_COMPARE)
            .subquery()
        )
        count = session.exec(select(func.count()).select_from(fitting)).one()
        counted.append((count, name in EVERYWHERE, name))
    if not counted:
        return None
    count, _, rarest = min(counted)
    return (rarest, most[rarest]) if count else None


def _required_anywhere(request: ResourceRequest) -> list[str]:
    return sorted(request.root_required.union(*request.required.values()))


def _traits_named(request: ResourceRequest) -> frozenset[str]:
    root = request.root_required | request.root_forbidden
    return root.union(*request.required.values(), *request.forbidden.values())


def _root_of(provider_id: UUID) -> ScalarSelect[UUID]:
    return select(ProviderRow.root_id).where(ProviderRow.id == provider_id).scalar_subquery()


def _batches(root_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(root_ids), BATCH):
        yield root_ids[start : start + BATCH]
