"""Reads and replaces what a provider is tagged with: traits and aggregates."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import delete, insert
from sqlmodel import Session, col, select

from kcloud_api.placement import vocabulary
from kcloud_api.placement.locking import advanced, locked, retried
from kcloud_api.placement.providers import ProviderRecord
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.tables import AggregateRow, Origin, ProviderTraitRow
from kcloud_common.errors import BadRequest, StaleGeneration


def aggregates_of(session: Session, provider_id: UUID) -> tuple[UUID, ...]:
    """Sorted."""
    statement = select(AggregateRow.aggregate_id).where(AggregateRow.provider_id == provider_id)
    return tuple(session.exec(statement.order_by(col(AggregateRow.aggregate_id))))


def traits_of(session: Session, provider_id: UUID) -> tuple[str, ...]:
    """Sorted, whoever set them."""
    statement = select(ProviderTraitRow.trait).where(ProviderTraitRow.provider_id == provider_id).distinct()
    return tuple(session.exec(statement.order_by(col(ProviderTraitRow.trait))))


@retried
def put_aggregates(
    session: Session, provider_id: UUID, generation: int | None, wanted: Collection[UUID]
) -> ProviderRecord:
    """Replace all. With `generation` it must be the provider's, and is raised; older clients know none."""
    provider = locked(session, provider_id)
    if generation is not None:
        _check(provider, generation)
        provider = advanced(session, provider)
    connection = session.connection()
    connection.execute(delete(AggregateRow).where(col(AggregateRow.provider_id) == provider_id))
    if wanted:
        rows = [{"provider_id": provider_id, "aggregate_id": each} for each in sorted(wanted)]
        connection.execute(insert(AggregateRow), rows)
    journal.touch(session, [provider.root_id])
    return provider


@retried
def put_traits(
    session: Session, provider_id: UUID, generation: int | None, wanted: Collection[str]
) -> ProviderRecord:
    """Replace all, whoever set them; a host's next report brings its own back. None: whatever generation.
    BadRequest for a trait that does not exist."""
    provider = locked(session, provider_id)
    if generation is not None:
        _check(provider, generation)
    if unknown := vocabulary.unknown_traits(session, wanted):
        raise BadRequest(f"No such trait {', '.join(sorted(unknown))}")
    if frozenset(wanted) == frozenset(traits_of(session, provider_id)):
        return provider
    provider = advanced(session, provider)
    connection = session.connection()
    connection.execute(delete(ProviderTraitRow).where(col(ProviderTraitRow.provider_id) == provider_id))
    if wanted:
        rows = [{"provider_id": provider_id, "trait": each, "origin": Origin.API} for each in sorted(wanted)]
        connection.execute(insert(ProviderTraitRow), rows)
    journal.touch(session, [provider.root_id])
    return provider


def _check(provider: ProviderRecord, generation: int) -> None:
    if provider.generation != generation:
        raise StaleGeneration(
            "Resource provider's generation already changed. Please update the generation and try again."
        )
