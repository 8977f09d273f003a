"""Moves inventories and the allocations on them between providers, all at once.

As upstream does it: inventories that come are added first, then allocations move, then inventories that shall
go are dropped; so allocations are judged against both. A provider's generation rises with each of the three.
"""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlmodel import Session, col

from kcloud_api.placement import claiming, generations, syncing
from kcloud_api.placement.claim_plan import AllocationWant
from kcloud_api.placement.conflicts import InventoryInUse, ReshapedUnknownProvider
from kcloud_api.placement.races import Raced
from kcloud_api.placement.reshaper_bodies import Reshaped
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.tables import InventoryRow, ProviderRow
from kcloud_common.errors import StaleGeneration


def reshape(session: Session, inventories: Mapping[UUID, Reshaped], wants: Sequence[AllocationWant]) -> None:
    """ReshapedUnknownProvider, InventoryInUse, and what claiming.replace raises. After any of them the
    transaction must be rolled back."""
    _check(_read(session, inventories), inventories)
    hold = claiming.take_hold(session, wants)
    roots = _lock(session, inventories, hold)
    connection = session.connection()
    claiming.refuse_unknown(connection, {name for each in inventories.values() for name in each.stocks})
    for provider_id, each in inventories.items():
        for name, stock in each.stocks.items():
            syncing.put_stock(session, provider_id, roots[provider_id], name, stock)
    session.flush()
    generations.bump(session, [provider_id for provider_id, each in inventories.items() if each.stocks])
    claiming.carry_out(session, hold)
    for provider_id, each in inventories.items():
        _drop_others(session, provider_id, each.stocks)
    generations.bump(session, inventories)
    journal.touch(session, roots.values(), journal.SHAPE)


def _lock(session: Session, inventories: Mapping[UUID, Reshaped], hold: claiming.Hold) -> Mapping[UUID, UUID]:
    """Hold all trees that this is about, at once, for the order of locks is one for all; the roots."""
    sides = [*(want.amounts for want in hold.wants), *hold.held.values()]
    roots = generations.lock(session, {*inventories, *(each for amounts in sides for each in amounts)})
    found = _read(session, inventories)
    _check(found, inventories)
    if any(roots.get(provider_id) != root_id for provider_id, (root_id, _) in found.items()):
        raise Raced("a resource provider went into another tree")
    return roots


def _read(session: Session, provider_ids: Collection[UUID]) -> Mapping[UUID, tuple[UUID, int]]:
    """Root and generation of each."""
    statement = select(col(ProviderRow.id), col(ProviderRow.root_id), col(ProviderRow.generation)).where(
        col(ProviderRow.id).in_(sorted(provider_ids))
    )
    rows = session.connection().execute(statement)
    return {provider_id: (root_id, generation) for provider_id, root_id, generation in rows}


def _check(found: Mapping[UUID, tuple[UUID, int]], inventories: Mapping[UUID, Reshaped]) -> None:
    for provider_id, each in inventories.items():
        if provider_id not in found:
            raise ReshapedUnknownProvider(
                f"Resource provider {provider_id} in inventories not found: "
                f"No resource provider with uuid {provider_id} found"
            )
        _, generation = found[provider_id]
        if generation != each.generation:
            raise StaleGeneration(
                f"resource provider generation conflict for provider {provider_id}: "
                f"actual: {generation}, given: {each.generation}"
            )


def _drop_others(session: Session, provider_id: UUID, kept: Collection[str]) -> None:
    others = (
        col(InventoryRow.provider_id) == provider_id,
        col(InventoryRow.resource_class).not_in(sorted(kept)),
    )
    connection = session.connection()
    used = select(col(InventoryRow.resource_class)).where(*others, col(InventoryRow.used) > 0)
    if names := sorted(connection.execute(used).scalars()):
        what = f"'{', '.join(names)}' on resource provider '{provider_id}'"
        raise InventoryInUse(f"update conflict: Inventory for {what} in use.")
    connection.execute(delete(InventoryRow).where(*others))
