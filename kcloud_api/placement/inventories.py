"""Reads and changes how much of which class a provider has, as clients of the Placement API ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, select
from sqlmodel import Session, col

from kcloud_api.db import straight
from kcloud_api.placement import names, syncing, vocabulary
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.conflicts import InventoryInUse
from kcloud_api.placement.locking import advanced, locked, retried
from kcloud_api.placement.providers import ProviderRecord, unknown
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.tables import InventoryRow, ProviderRow
from kcloud_common.errors import BadRequest, NotFound, StaleGeneration

COLUMNS = (
    col(InventoryRow.resource_class), col(InventoryRow.updated_at),
    col(InventoryRow.total), col(InventoryRow.reserved), col(InventoryRow.min_unit),
    col(InventoryRow.max_unit), col(InventoryRow.step_size), col(InventoryRow.allocation_ratio),
    col(InventoryRow.used),
)  # fmt: skip
"""From the third they are in the order of Stock's fields."""
OF_PROVIDER = (
    select(*COLUMNS)
    .where(col(InventoryRow.provider_id) == bindparam("provider_id"))
    .order_by(col(InventoryRow.resource_class))
)
"""Built once, as providers.ONE is."""
WITH_GENERATION = straight.Query(
    select(col(ProviderRow.generation), *COLUMNS)
    .outerjoin_from(ProviderRow, InventoryRow, col(InventoryRow.provider_id) == col(ProviderRow.id))
    .where(col(ProviderRow.id) == bindparam("provider_id"))
    .order_by(col(InventoryRow.resource_class))
)


@dataclass(frozen=True, slots=True)
class Stored:
    stock: Stock
    updated_at: datetime


def of_provider(session: Session, provider_id: UUID) -> Mapping[str, Stored]:
    """By class."""
    rows = session.connection().execute(OF_PROVIDER, {"provider_id": provider_id})
    return {row[0]: Stored(Stock(*row[2:]), row[1]) for row in rows}


def with_generation(session: Session, provider_id: UUID) -> tuple[int, Mapping[str, Stored]]:
    """The provider's generation and what it has, as they were at one moment. NotFound for no provider."""
    rows = WITH_GENERATION.rows(session.connection(), {"provider_id": provider_id})
    if not rows:
        raise unknown(provider_id)
    return rows[0][0], {row[1]: Stored(Stock(*row[3:]), row[2]) for row in rows if row[1] is not None}


def check_generation(provider: ProviderRecord, generation: int) -> None:
    """StaleGeneration when the client read another one."""
    if provider.generation != generation:
        raise StaleGeneration("resource provider generation conflict")


@retried
def add(session: Session, provider_id: UUID, name: str, stock: Stock) -> ProviderRecord:
    """One more class. BadRequest for an unknown class, StaleGeneration when the provider has it already."""
    provider = locked(session, provider_id)
    if not vocabulary.class_exists(session, name):
        raise BadRequest(
            f"Unable to create inventory for resource provider {provider_id}: No such resource class {name}."
        )
    if name in of_provider(session, provider_id):
        raise StaleGeneration(
            f"Update conflict: resource provider {provider_id} has an inventory of class {name} already."
        )
    syncing.put_stock(session, provider_id, provider.root_id, name, stock)
    return _changed(session, provider)


@retried
def replace(
    session: Session, provider_id: UUID, generation: int | None, stocks: Mapping[str, Stock]
) -> ProviderRecord:
    """All of them. InventoryInUse when a class that is used would go; BadRequest for unknown classes. With
    `generation` it must be the provider's."""
    provider = locked(session, provider_id)
    if generation is not None:
        check_generation(provider, generation)
    if unknown := sorted(vocabulary.unknown_classes(session, stocks.keys())):
        raise BadRequest(
            f"Unknown resource class in inventory for resource provider {provider_id}: "
            f"No such resource class {', '.join(unknown)}."
        )
    stored = of_provider(session, provider_id)
    gone = sorted(stored.keys() - stocks.keys())
    if used := sorted((name for name in gone if stored[name].stock.used), key=names.class_order):
        doing = "" if generation is None else "update conflict: "
        raise InventoryInUse(
            f"{doing}Inventory for '{', '.join(used)}' on resource provider '{provider_id}' in use."
        )
    _drop(session, provider_id, gone)
    for name, stock in stocks.items():
        syncing.put_stock(session, provider_id, provider.root_id, name, stock)
    return _changed(session, provider)


@retried
def update(
    session: Session, provider_id: UUID, generation: int, inventory: tuple[str, Stock]
) -> ProviderRecord:
    """The one of a class that the provider has: BadRequest when it has not, NotFound for an unknown class."""
    name, stock = inventory
    provider = locked(session, provider_id)
    check_generation(provider, generation)
    if name not in of_provider(session, provider_id):
        _refuse_unknown_class(session, name)
        raise BadRequest(
            f"No inventory record with resource class for resource provider {provider_id}: "
            f"No inventory of class {name} found."
        )
    syncing.put_stock(session, provider_id, provider.root_id, name, stock)
    return _changed(session, provider)


@retried
def remove(session: Session, provider_id: UUID, name: str) -> None:
    """The one of a class. NotFound, InventoryInUse."""
    provider = locked(session, provider_id)
    stored = of_provider(session, provider_id).get(name)
    if stored is None:
        _refuse_unknown_class(session, name)
        raise NotFound(
            f"No inventory of class {name} found for delete: No inventory of class {name} found for delete"
        )
    if stored.stock.used:
        # Upstream's code for this is not the one of the same conflict elsewhere.
        raise StaleGeneration(
            f"Unable to delete inventory of class {name}: Inventory for '{name}' on resource provider "
            f"'{provider_id}' in use."
        )
    _drop(session, provider_id, [name])
    _changed(session, provider)


def _changed(session: Session, provider: ProviderRecord) -> ProviderRecord:
    session.flush()
    journal.touch(session, [provider.root_id])
    return advanced(session, provider)


def _drop(session: Session, provider_id: UUID, classes: list[str]) -> None:
    if classes:
        mine = col(InventoryRow.provider_id) == provider_id
        session.connection().execute(
            delete(InventoryRow).where(mine, col(InventoryRow.resource_class).in_(classes))
        )


def _refuse_unknown_class(session: Session, name: str) -> None:
    if not vocabulary.class_exists(session, name):
        raise NotFound(f"No such resource class {name}.")
