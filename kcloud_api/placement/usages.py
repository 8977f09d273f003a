"""Reads who holds what: of a consumer, of a provider, of a project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session, col

from kcloud_api.placement.allocation_views import ALL, UNKNOWN, Owner, Share, TypeUsage
from kcloud_api.placement.tables import AllocationRow, ConsumerRow, InventoryRow, ProviderRow


@dataclass(frozen=True, slots=True)
class ConsumerShares:
    """What a consumer holds, with the generations of the providers; `owner` None: nothing."""

    owner: Owner | None
    shares: Sequence[Share]
    generations: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class ProviderShares:
    """Who holds a provider's resources, with the generations of the consumers."""

    shares: Sequence[Share]
    generations: Mapping[UUID, int]


SHARE = (
    col(AllocationRow.consumer_id), col(AllocationRow.provider_id), col(AllocationRow.resource_class),
    col(AllocationRow.used), col(AllocationRow.updated_at),
)  # fmt: skip
"""In the order of Share's fields."""


def of_consumer(session: Session, consumer_id: UUID) -> ConsumerShares:
    statement = (
        select(
            *SHARE, col(ConsumerRow.project_id), col(ConsumerRow.user_id), col(ConsumerRow.generation),
            col(ConsumerRow.type), col(ProviderRow.generation),
        )
        .join(ConsumerRow, col(ConsumerRow.id) == AllocationRow.consumer_id)
        .join(ProviderRow, col(ProviderRow.id) == AllocationRow.provider_id)
        .where(col(AllocationRow.consumer_id) == consumer_id)
        .order_by(col(AllocationRow.provider_id), col(AllocationRow.resource_class))
    )  # fmt: skip
    owner: Owner | None = None
    shares: list[Share] = []
    generations: dict[UUID, int] = {}
    for row in session.connection().execute(statement):
        consumer, provider_id, name, used, at, project_id, user_id, generation, kind, read = row
        owner = Owner(project_id, user_id, generation, kind)
        shares.append(Share(consumer, provider_id, name, used, at))
        generations[provider_id] = read
    return ConsumerShares(owner, shares, generations)


def of_provider(session: Session, provider_id: UUID) -> ProviderShares:
    statement = (
        select(*SHARE, col(ConsumerRow.generation))
        .join(ConsumerRow, col(ConsumerRow.id) == AllocationRow.consumer_id)
        .where(col(AllocationRow.provider_id) == provider_id)
        .order_by(col(AllocationRow.consumer_id), col(AllocationRow.resource_class))
    )
    shares: list[Share] = []
    generations: dict[UUID, int] = {}
    for consumer_id, provider, name, used, at, generation in session.connection().execute(statement):
        shares.append(Share(consumer_id, provider, name, used, at))
        generations[consumer_id] = generation
    return ProviderShares(shares, generations)


def used_of_provider(session: Session, provider_id: UUID) -> Mapping[str, int]:
    """By class, of each that the provider has."""
    statement = select(col(InventoryRow.resource_class), col(InventoryRow.used)).where(
        col(InventoryRow.provider_id) == provider_id
    )
    return dict(session.connection().execute(statement).all())


def of_project(
    session: Session, project_id: str, user_id: str | None = None, kind: str | None = None
) -> tuple[TypeUsage, ...]:
    """What a project (and one of its users) uses, by type of consumer. `kind` narrows to one type, where
    `unknown` are those without one, and `all` narrows nothing."""
    mine = [col(ConsumerRow.project_id) == project_id]
    if user_id is not None:
        mine.append(col(ConsumerRow.user_id) == user_id)
    if kind == UNKNOWN:
        mine.append(col(ConsumerRow.type).is_(None))
    elif kind is not None and kind != ALL:
        mine.append(col(ConsumerRow.type) == kind)
    counts = select(col(ConsumerRow.type), func.count()).where(*mine).group_by(col(ConsumerRow.type))
    sums = (
        select(col(ConsumerRow.type), col(AllocationRow.resource_class), func.sum(AllocationRow.used))
        .join(AllocationRow, col(AllocationRow.consumer_id) == ConsumerRow.id)
        .where(*mine)
        .group_by(col(ConsumerRow.type), col(AllocationRow.resource_class))
        .order_by(col(AllocationRow.resource_class))
    )
    connection = session.connection()
    amounts: dict[str | None, dict[str, int]] = {}
    for type_, name, used in connection.execute(sums):
        amounts.setdefault(type_, {})[name] = int(used)
    return tuple(
        TypeUsage(type_, count, amounts.get(type_, {})) for type_, count in connection.execute(counts)
    )
