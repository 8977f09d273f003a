"""Decides what to change so that a host's provider tree says what its report says. Pure.

A provider or class that the report no longer has is removed, unless something is allocated from it: then it
stays with everything reserved, so that nothing more is taken and nothing that is held is forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.inventory import HostInventory, Inventory, ProviderInventory


@dataclass(frozen=True, slots=True)
class Current:
    """A provider of the host's own tree as stored; `traits` only those that its report set."""

    name: str
    stocks: Mapping[str, Stock]
    traits: frozenset[str]


@dataclass(frozen=True, slots=True)
class Change:
    """What to write for one provider; `delete` stands alone."""

    provider_id: UUID
    name: str
    parent_id: UUID | None
    create: bool = False
    delete: bool = False
    rename: bool = False
    put_stocks: Mapping[str, Stock] = field(default_factory=dict)
    drop_stocks: frozenset[str] = frozenset()
    add_traits: frozenset[str] = frozenset()
    drop_traits: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        flags = self.create or self.delete or self.rename
        return not (flags or self.put_stocks or self.drop_stocks or self.add_traits or self.drop_traits)


def plan(current: Mapping[UUID, Current], host: HostInventory) -> tuple[Change, ...]:
    """Only what differs; empty when nothing does. Created providers come after their parents."""
    root = ProviderInventory(host.host_id, host.name, host.inventories, host.traits)
    wanted = {provider.id: provider for provider in (root, *host.children)}
    changes = [
        _converge(current.get(provider.id), provider, None if provider is root else root.id)
        for provider in wanted.values()
    ]
    vanished = sorted(current.keys() - wanted.keys())
    changes += [_retire(provider_id, current[provider_id], root.id) for provider_id in vanished]
    return tuple(change for change in changes if not change.is_empty)


def _converge(current: Current | None, wanted: ProviderInventory, parent_id: UUID | None) -> Change:
    stocks = current.stocks if current else {}
    traits = current.traits if current else frozenset()
    target = {name: _stock(inventory) for name, inventory in wanted.inventories.items()}
    put = {name: stock for name, stock in target.items() if _differs(stocks.get(name), stock)}
    gone = stocks.keys() - target.keys()
    put |= {name: _all_reserved(stocks[name]) for name in gone if _must_reserve(stocks[name])}
    return Change(
        wanted.id,
        wanted.name,
        parent_id,
        create=current is None,
        rename=current is not None and current.name != wanted.name,
        put_stocks=put,
        drop_stocks=frozenset(name for name in gone if not stocks[name].used),
        add_traits=wanted.traits - traits,
        drop_traits=traits - wanted.traits,
    )


def _retire(provider_id: UUID, current: Current, parent_id: UUID) -> Change:
    if not any(stock.used for stock in current.stocks.values()):
        return Change(provider_id, current.name, parent_id, delete=True)
    put = {name: _all_reserved(stock) for name, stock in current.stocks.items() if _must_reserve(stock)}
    return Change(provider_id, current.name, parent_id, put_stocks=put)


def _must_reserve(stock: Stock) -> bool:
    return bool(stock.used) and stock.reserved != stock.total


def _all_reserved(stock: Stock) -> Stock:
    return replace(stock, reserved=stock.total)


def _stock(inventory: Inventory) -> Stock:
    return Stock(
        total=inventory.total,
        reserved=inventory.reserved,
        min_unit=inventory.min_unit,
        max_unit=inventory.total if inventory.max_unit is None else inventory.max_unit,
        step_size=inventory.step_size,
        allocation_ratio=inventory.allocation_ratio,
    )


def _differs(stored: Stock | None, wanted: Stock) -> bool:
    return stored is None or replace(stored, used=0) != wanted
