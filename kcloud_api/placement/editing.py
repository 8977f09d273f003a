"""Changes providers, inventories, traits and allocations as clients of the Placement API ask.

Every change rests on the generation that the client read: StaleGeneration when somebody wrote since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from kcloud_api.placement import generations, providers, service, syncing, vocabulary
from kcloud_api.placement.candidates import Candidate
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.conflicts import InventoryInUse, ProviderHasChildren, ProviderInUse
from kcloud_api.placement.providers import ProviderRecord
from kcloud_api.placement.tables import (
    AllocationRow,
    ConsumerRow,
    InventoryRow,
    Origin,
    ProviderRow,
    ProviderTraitRow,
)
from kcloud_common.errors import AlreadyExists, BadRequest, NotFound, StaleGeneration


@dataclass(frozen=True, slots=True)
class AllocationWant:
    """All that a consumer shall hold from now on. `generation` None: the consumer is new."""

    consumer: service.ConsumerRecord
    amounts: Mapping[UUID, Mapping[str, int]]
    generation: int | None
    check_generation: bool = True
    """False for clients of a time when consumers had none."""


def create_provider(session: Session, provider_id: UUID, name: str, parent_id: UUID | None) -> ProviderRecord:
    """AlreadyExists for a name or id in use, BadRequest for an unknown parent."""
    _refuse_taken(session, provider_id, name)
    if session.exec(select(ProviderRow.id).where(ProviderRow.id == provider_id)).first() is not None:
        raise AlreadyExists(f"Conflicting resource provider uuid: {provider_id} already exists.")
    root_id = provider_id if parent_id is None else _parent(session, parent_id).root_id
    generations.lock(session, [root_id])
    session.add(
        ProviderRow(id=provider_id, name=name, parent_id=parent_id, root_id=root_id, origin=Origin.API)
    )
    session.flush()
    return providers.get_provider(session, provider_id)


def update_provider(session: Session, provider_id: UUID, name: str, parent_id: UUID | None) -> ProviderRecord:
    """Rename, or put a root below another provider with all that it has below itself."""
    now = providers.get_provider(session, provider_id)
    _refuse_taken(session, provider_id, name)
    if parent_id != now.parent_id:
        _move(session, now, parent_id)
    _set(session, provider_id, name=name)
    return providers.get_provider(session, provider_id)


def delete_provider(session: Session, provider_id: UUID) -> None:
    """ProviderInUse while something is allocated from it, ProviderHasChildren while it has any."""
    providers.get_provider(session, provider_id)
    generations.lock(session, [provider_id])
    if session.exec(select(ProviderRow.id).where(ProviderRow.parent_id == provider_id)).first():
        raise ProviderHasChildren(
            f"Unable to delete parent resource provider {provider_id}: It has child resource providers."
        )
    if providers.allocations_on(session, provider_id):
        raise ProviderInUse(
            f"Unable to delete resource provider {provider_id}: Resource provider has allocations."
        )
    syncing.forget_provider(session, provider_id)


def put_inventories(
    session: Session, provider_id: UUID, generation: int, stocks: Mapping[str, Stock]
) -> ProviderRecord:
    """Replace all. InventoryInUse when a class that is used would go."""
    now = providers.get_provider(session, provider_id)
    generations.lock(session, [provider_id])
    generations.advance(session, provider_id, generation)
    for name in stocks:
        if not vocabulary.class_exists(session, name):
            raise BadRequest(
                f"Unknown resource class in inventory for resource provider {provider_id}: {name}"
            )
    stored = providers.inventories(session, provider_id)
    gone = sorted(stored.keys() - stocks.keys())
    for name in gone:
        if stored[name].used:
            raise InventoryInUse(f"Inventory for '{name}' on resource provider '{provider_id}' in use.")
    if gone:
        mine = col(InventoryRow.provider_id) == provider_id
        session.exec(delete(InventoryRow).where(mine, col(InventoryRow.resource_class).in_(gone)))
    for name, stock in stocks.items():
        syncing.put_stock(session, provider_id, now.root_id, name, stock)
    session.flush()
    return providers.get_provider(session, provider_id)


def put_traits(
    session: Session, provider_id: UUID, generation: int | None, traits: frozenset[str]
) -> ProviderRecord:
    """Replace all, whoever set them; a host's next report brings its own back. None: whatever generation."""
    now = providers.get_provider(session, provider_id)
    generations.lock(session, [provider_id])
    generations.advance(session, provider_id, now.generation if generation is None else generation)
    for trait in sorted(traits):
        if not vocabulary.trait_exists(session, trait):
            raise BadRequest(f"No such trait {trait}")
    session.exec(delete(ProviderTraitRow).where(col(ProviderTraitRow.provider_id) == provider_id))
    session.add_all(
        ProviderTraitRow(provider_id=provider_id, trait=trait, origin=Origin.API) for trait in sorted(traits)
    )
    session.flush()
    return providers.get_provider(session, provider_id)


def set_allocations(session: Session, want: AllocationWant) -> None:
    """Replace what the consumer holds; with no amounts it ends. BadRequest for an unknown provider,
    OutOfCapacity when it does not fit."""
    consumer_id = want.consumer.id
    held = providers.consumer(session, consumer_id)
    generations.lock(session, [*want.amounts, *(held.held if held else ())])
    known = held.generation if held else None
    if want.check_generation and want.generation != known:
        raise StaleGeneration(
            f"consumer generation conflict - expected {_shown(known)} but got {_shown(want.generation)}"
        )
    service.release(session, consumer_id)
    if not want.amounts:
        return
    read = providers.generations_of(session, list(want.amounts))
    for provider_id in want.amounts:
        if provider_id not in read:
            raise BadRequest(
                f"Allocation for resource provider '{provider_id}' that does not exist.", field="allocations"
            )
    root = providers.get_provider(session, next(iter(want.amounts))).root_id
    service.claim(session, want.consumer, Candidate(root, want.amounts, read))
    session.exec(
        update(ConsumerRow)
        .where(col(ConsumerRow.id) == consumer_id)
        .values(generation=(known or 0) + 1)
        .execution_options(synchronize_session=False)
    )


def delete_allocations(session: Session, consumer_id: UUID) -> None:
    """NotFound when the consumer holds nothing."""
    held = select(AllocationRow.consumer_id).where(AllocationRow.consumer_id == consumer_id)
    if session.exec(held).first() is None:
        raise NotFound(f"No allocations for consumer '{consumer_id}'")
    service.release(session, consumer_id)


def _shown(generation: int | None) -> str:
    return "null" if generation is None else str(generation)


def _parent(session: Session, parent_id: UUID) -> ProviderRecord:
    try:
        return providers.get_provider(session, parent_id)
    except NotFound as error:
        raise BadRequest(f"parent provider UUID does not exist: {parent_id}") from error


def _move(session: Session, now: ProviderRecord, parent_id: UUID | None) -> None:
    if parent_id is None or now.parent_id is not None:
        raise BadRequest("un-parenting or re-parenting a provider is not currently allowed.")
    parent = _parent(session, parent_id)
    if parent.root_id == now.id:
        raise BadRequest("creating loop in the provider tree is not allowed.")
    generations.lock(session, [now.id, parent.id])
    for table in (ProviderRow, InventoryRow):
        session.exec(
            update(table)
            .where(col(table.root_id) == now.id)
            .values(root_id=parent.root_id)
            .execution_options(synchronize_session=False)
        )
    _set(session, now.id, parent_id=parent_id)


def _set(session: Session, provider_id: UUID, **values: object) -> None:
    session.exec(
        update(ProviderRow)
        .where(col(ProviderRow.id) == provider_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _refuse_taken(session: Session, provider_id: UUID, name: str) -> None:
    other = session.exec(select(ProviderRow.id).where(ProviderRow.name == name)).first()
    if other is not None and other != provider_id:
        raise AlreadyExists(f"Conflicting resource provider name: {name} already exists.")
