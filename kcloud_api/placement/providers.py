"""Answers the Placement API's questions about providers: what they have, and who uses it."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session, col, func, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from kcloud_api.placement.capacity import Stock, misfit
from kcloud_api.placement.query import ProviderQuery
from kcloud_api.placement.reading import stock_of
from kcloud_api.placement.tables import (
    AllocationRow,
    ConsumerRow,
    InventoryRow,
    ProviderRow,
    ProviderTraitRow,
)
from kcloud_common.errors import NotFound


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    id: UUID
    name: str
    generation: int
    parent_id: UUID | None
    root_id: UUID


@dataclass(frozen=True, slots=True)
class ConsumerAllocations:
    """A consumer with what it holds: provider to class to amount."""

    id: UUID
    project_id: str
    user_id: str
    generation: int
    type: str
    held: Mapping[UUID, Mapping[str, int]]


def get_provider(session: Session, provider_id: UUID) -> ProviderRecord:
    """NotFound when there is none."""
    statement = select(ProviderRow).where(ProviderRow.id == provider_id)
    row = session.exec(statement.execution_options(populate_existing=True)).first()
    if row is None:
        raise NotFound(f"No resource provider with uuid {provider_id} found")
    return _record(row)


def list_providers(session: Session, query: ProviderQuery) -> tuple[ProviderRecord, ...]:
    """Those that the query leaves, by name. Amounts and traits are asked of each provider by itself."""
    statement = select(ProviderRow).order_by(ProviderRow.name)
    if query.name is not None:
        statement = statement.where(ProviderRow.name == query.name)
    if query.id is not None:
        statement = statement.where(ProviderRow.id == query.id)
    if query.in_tree is not None:
        root = select(ProviderRow.root_id).where(ProviderRow.id == query.in_tree).scalar_subquery()
        statement = statement.where(ProviderRow.root_id == root)
    for name, amount in query.resources.items():
        enough = select(InventoryRow.provider_id).where(
            InventoryRow.resource_class == name, InventoryRow.free >= amount
        )
        statement = statement.where(col(ProviderRow.id).in_(enough))
    for any_of in query.required:
        statement = statement.where(or_(*(col(ProviderRow.id).in_(_having(trait)) for trait in any_of)))
    for trait in sorted(query.forbidden):
        statement = statement.where(col(ProviderRow.id).not_in(_having(trait)))
    rows = session.exec(statement).all()
    if query.resources:
        rows = [row for row in rows if _fits(inventories(session, row.id), query.resources)]
    return tuple(_record(row) for row in rows)


def inventories(session: Session, provider_id: UUID) -> Mapping[str, Stock]:
    """By class; empty for an unknown provider."""
    statement = select(InventoryRow).where(InventoryRow.provider_id == provider_id)
    rows = session.exec(statement.execution_options(populate_existing=True))
    return {row.resource_class: stock_of(row) for row in rows}


def traits_of(session: Session, provider_id: UUID) -> tuple[str, ...]:
    """Sorted, whoever set them."""
    rows = session.exec(select(ProviderTraitRow.trait).where(ProviderTraitRow.provider_id == provider_id))
    return tuple(sorted(set(rows)))


def allocations_on(session: Session, provider_id: UUID) -> Mapping[UUID, tuple[int, Mapping[str, int]]]:
    """Who uses a provider: consumer to its generation and amounts."""
    found: dict[UUID, tuple[int, dict[str, int]]] = {}
    rows = session.exec(
        select(
            AllocationRow.consumer_id,
            ConsumerRow.generation,
            AllocationRow.resource_class,
            AllocationRow.used,
        )
        .join(ConsumerRow, col(ConsumerRow.id) == AllocationRow.consumer_id)
        .where(AllocationRow.provider_id == provider_id)
    )
    for consumer_id, generation, name, used in rows:
        found.setdefault(consumer_id, (generation, {}))[1][name] = used
    return found


def consumer(session: Session, consumer_id: UUID) -> ConsumerAllocations | None:
    """None when it holds nothing."""
    statement = select(ConsumerRow).where(ConsumerRow.id == consumer_id)
    row = session.exec(statement.execution_options(populate_existing=True)).first()
    if row is None:
        return None
    held: dict[UUID, dict[str, int]] = {}
    amounts = select(AllocationRow.provider_id, AllocationRow.resource_class, AllocationRow.used)
    for provider_id, name, used in session.exec(amounts.where(AllocationRow.consumer_id == consumer_id)):
        held.setdefault(provider_id, {})[name] = used
    return ConsumerAllocations(row.id, row.project_id, row.user_id, row.generation, row.type, held)


def generations_of(session: Session, provider_ids: Collection[UUID]) -> Mapping[UUID, int]:
    rows = session.exec(
        select(ProviderRow.id, ProviderRow.generation).where(col(ProviderRow.id).in_(list(provider_ids)))
    )
    return dict(rows.all())


def root_names(session: Session, provider_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """The names of these root providers: of hosts, by host id."""
    statement = select(ProviderRow.id, ProviderRow.name).where(col(ProviderRow.id).in_(list(provider_ids)))
    return dict(session.exec(statement).all())


def roots_called(session: Session, name: str) -> frozenset[UUID]:
    """The root providers of that name: hosts. An id is as good as a name."""
    called = [col(ProviderRow.name) == name]
    with suppress(ValueError):
        called.append(col(ProviderRow.id) == UUID(name))
    roots = select(ProviderRow.id).where(or_(*called), col(ProviderRow.parent_id).is_(None))
    return frozenset(session.exec(roots))


def project_usages(
    session: Session, project_id: str, user_id: str | None = None
) -> Mapping[str, tuple[int, Mapping[str, int]]]:
    """What a project uses: consumer type to how many consumers and how much of each class."""
    mine = [col(ConsumerRow.project_id) == project_id]
    if user_id is not None:
        mine.append(col(ConsumerRow.user_id) == user_id)
    counts = select(ConsumerRow.type, func.count()).where(*mine).group_by(ConsumerRow.type)
    sums = (
        select(ConsumerRow.type, AllocationRow.resource_class, func.sum(AllocationRow.used))
        .join(AllocationRow, col(AllocationRow.consumer_id) == ConsumerRow.id)
        .where(*mine)
        .group_by(ConsumerRow.type, AllocationRow.resource_class)
    )
    found: dict[str, tuple[int, dict[str, int]]] = {}
    for kind, count in session.exec(counts):
        found[kind] = (count, {})
    for kind, name, used in session.exec(sums):
        found[kind][1][name] = int(used)
    return found


def _having(trait: str) -> SelectOfScalar[UUID]:
    return select(ProviderTraitRow.provider_id).where(ProviderTraitRow.trait == trait)


def _fits(stocks: Mapping[str, Stock], amounts: Mapping[str, int]) -> bool:
    return all(misfit(stocks[name], amount) is None for name, amount in amounts.items())


def _record(row: ProviderRow) -> ProviderRecord:
    return ProviderRecord(row.id, row.name, row.generation, row.parent_id, row.root_id)
