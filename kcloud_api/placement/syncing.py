"""Writes what sync_plan decided: a host's provider tree, inventories and traits."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, delete, update
from sqlmodel import Session, SQLModel, col, select

from kcloud_api.db.columns import utcnow
from kcloud_api.placement import generations, names, reading
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.inventory import HostInventory, ProviderInventory
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.sync_plan import Change, Current, plan
from kcloud_api.placement.tables import (
    AggregateRow,
    AllocationRow,
    InventoryRow,
    Origin,
    ProviderRow,
    ProviderTraitRow,
    ResourceClassRow,
    TraitRow,
)
from kcloud_common.errors import AlreadyExists

log = logging.getLogger(__name__)

MOST = 2**62
MOST_NAMES = 512
"""Traits that one provider's host may name, and classes: custom ones are made for good."""


def sync_host(session: Session, host: HostInventory) -> None:
    """See service.sync_host."""
    host = _with_known_names(host)
    generations.lock(session, [host.host_id])
    changes = plan(_current(session, host.host_id), host)
    if not changes:
        return
    _refuse_taken_names(session, [c for c in changes if c.create or c.rename])
    register_traits(session, (t for c in changes for t in c.add_traits))
    insert_missing(session, ResourceClassRow, _custom(n for c in changes for n in c.put_stocks))
    generations.bump(session, [c.provider_id for c in changes if not (c.create or c.delete)])
    for change in changes:
        _apply(session, host.host_id, change)
    session.flush()
    journal.touch(session, [host.host_id])


def remove_host(session: Session, host_id: UUID) -> None:
    """See service.remove_host."""
    sync_host(session, HostInventory(host_id, f"removed-{host_id}", {}, frozenset()))
    generations.lock(session, [host_id])
    others = select(ProviderRow.id).where(ProviderRow.root_id == host_id, ProviderRow.id != host_id)
    held = select(AllocationRow.consumer_id).where(AllocationRow.provider_id == host_id)
    if session.exec(others.limit(1)).first() is None and session.exec(held.limit(1)).first() is None:
        forget_provider(session, host_id)
    journal.touch(session, [host_id])


def insert_missing(session: Session, table: type[SQLModel], names: Collection[str]) -> None:
    """Insert rows of one `name` column, leaving those that are there, whoever puts them there meanwhile."""
    if not names:
        return
    values = [{"name": name} for name in names]
    # Only the dialect in use is imported: PostgreSQL's alone is a tenth of a second of a start on SQLite.
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        statement: Executable = postgresql.insert(table).on_conflict_do_nothing()
    else:
        from sqlalchemy.dialects import sqlite

        statement = sqlite.insert(table).on_conflict_do_nothing()
    # Row by row: one statement for all of them would have more parameters than databases take.
    session.connection().execute(statement, values)


def register_traits(session: Session, traits: Iterable[str]) -> None:
    """Make those of these traits that are custom and not there yet."""
    insert_missing(session, TraitRow, _custom(traits))


def put_stock(session: Session, provider_id: UUID, root_id: UUID, name: str, stock: Stock) -> None:
    """Write the amounts of one class; `used` is what allocations made it, whatever `stock` says."""
    limits: dict[str, Any] = {
        "total": stock.total, "reserved": stock.reserved, "min_unit": stock.min_unit,
        "max_unit": stock.max_unit, "step_size": stock.step_size,
        "allocation_ratio": stock.allocation_ratio,
    }  # fmt: skip
    # A large ratio makes more of a class than a database can count.
    capacity = min(stock.capacity, MOST)
    changed = session.exec(
        update(InventoryRow)
        .where(col(InventoryRow.provider_id) == provider_id, col(InventoryRow.resource_class) == name)
        .values(**limits, free=capacity - InventoryRow.used, updated_at=utcnow())
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount == 0:
        session.add(
            InventoryRow(
                provider_id=provider_id, resource_class=name, root_id=root_id,
                **limits, used=0, free=capacity,
            )
        )  # fmt: skip


def _apply(session: Session, root_id: UUID, change: Change) -> None:
    provider_id = change.provider_id
    if change.delete:
        forget_provider(session, provider_id)
        return
    if change.create:
        session.add(
            ProviderRow(
                id=provider_id, name=change.name, parent_id=change.parent_id,
                root_id=root_id, origin=Origin.HOST,
            )
        )  # fmt: skip
    if change.rename:
        session.exec(
            update(ProviderRow)
            .where(col(ProviderRow.id) == provider_id)
            .values(name=change.name)
            .execution_options(synchronize_session=False)
        )
    for name, stock in change.put_stocks.items():
        put_stock(session, provider_id, root_id, name, stock)
    if change.drop_stocks:
        session.exec(
            delete(InventoryRow).where(
                col(InventoryRow.provider_id) == provider_id,
                col(InventoryRow.resource_class).in_(sorted(change.drop_stocks)),
            )
        )
    _write_traits(session, change)


def forget_provider(session: Session, provider_id: UUID) -> None:
    """Remove a provider and what belongs to it; the caller has made sure nothing is allocated."""
    session.exec(delete(InventoryRow).where(col(InventoryRow.provider_id) == provider_id))
    session.exec(delete(ProviderTraitRow).where(col(ProviderTraitRow.provider_id) == provider_id))
    session.exec(delete(AggregateRow).where(col(AggregateRow.provider_id) == provider_id))
    session.exec(delete(ProviderRow).where(col(ProviderRow.id) == provider_id))


def _write_traits(session: Session, change: Change) -> None:
    if change.drop_traits:
        session.exec(
            delete(ProviderTraitRow).where(
                col(ProviderTraitRow.provider_id) == change.provider_id,
                col(ProviderTraitRow.origin) == Origin.HOST,
                col(ProviderTraitRow.trait).in_(sorted(change.drop_traits)),
            )
        )
    session.add_all(
        ProviderTraitRow(provider_id=change.provider_id, trait=trait, origin=Origin.HOST)
        for trait in sorted(change.add_traits)
    )


def _current(session: Session, root_id: UUID) -> dict[UUID, Current]:
    """The host's own providers; those that an API client put into the tree are not ours to change."""
    rows = session.exec(
        select(ProviderRow.id, ProviderRow.name).where(
            ProviderRow.root_id == root_id, ProviderRow.origin == Origin.HOST
        )
    ).all()
    stocks = reading.stocks(session, [root_id])
    traits: dict[UUID, set[str]] = {}
    ours = select(ProviderTraitRow.provider_id, ProviderTraitRow.trait).where(
        col(ProviderTraitRow.provider_id).in_([row[0] for row in rows]),
        ProviderTraitRow.origin == Origin.HOST,
    )
    for provider_id, trait in session.exec(ours):
        traits.setdefault(provider_id, set()).add(trait)
    return {
        provider_id: Current(name, stocks.get(provider_id, {}), frozenset(traits.get(provider_id, ())))
        for provider_id, name in rows
    }


def _refuse_taken_names(session: Session, changes: list[Change]) -> None:
    wanted = {change.name: change.provider_id for change in changes}
    for provider_id, name in session.exec(
        select(ProviderRow.id, ProviderRow.name).where(col(ProviderRow.name).in_(sorted(wanted)))
    ):
        if provider_id != wanted[name]:
            raise AlreadyExists(f"another resource provider is named {name}", provider=str(provider_id))


def _custom(found: Iterable[str]) -> list[str]:
    return sorted({name for name in found if names.is_custom(name)})


def _with_known_names(host: HostInventory) -> HostInventory:
    """Leave out what is neither a standard name nor a well-formed custom one, and say so in the log: one odd
    trait must not keep a whole host's report out."""
    root = _checked(ProviderInventory(host.host_id, host.name, host.inventories, host.traits))
    children = tuple(_checked(child) for child in host.children)
    return replace(host, inventories=root.inventories, traits=root.traits, children=children)


def _checked(provider: ProviderInventory) -> ProviderInventory:
    traits = frozenset(sorted(filter(names.is_trait, provider.traits))[:MOST_NAMES])
    classes = {n: i for n, i in provider.inventories.items() if names.is_resource_class(n)}
    classes = dict(sorted(classes.items())[:MOST_NAMES])
    left_out = sorted((provider.traits - traits) | (provider.inventories.keys() - classes.keys()))
    if left_out:
        facts = {"provider": provider.name, "names": left_out[:MOST_NAMES]}
        log.warning("unknown_names_ignored", extra=facts)
    return replace(provider, traits=traits, inventories=classes)
