"""Decides what a write of allocations changes, and whether it fits. Pure.

A consumer's allocations are always replaced as a whole; several consumers may be replaced at once, and what
one gives back another may take.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from kcloud_api.placement.capacity import Stock

INSTANCE = "INSTANCE"
"""Consumer type of a server (upstream's word)."""

Amounts = Mapping[UUID, Mapping[str, int]]
"""Provider to class to amount."""
Key = tuple[UUID, str]
"""One class of one provider."""


@dataclass(frozen=True, slots=True)
class ConsumerRecord:
    """Who claims: a server's id, with whose it is. `type` None: the client did not say, and an existing
    consumer keeps its own."""

    id: UUID
    project_id: str
    user_id: str
    type: str | None = INSTANCE


@dataclass(frozen=True, slots=True)
class AllocationWant:
    """All that a consumer shall hold from now on. `generation` None: the consumer is new."""

    consumer: ConsumerRecord
    amounts: Amounts
    generation: int | None
    check_generation: bool = True
    """False for clients of a time when consumers had none."""


@dataclass(frozen=True, slots=True)
class Move:
    """How the use of one class of one provider changes."""

    provider_id: UUID
    resource_class: str
    change: int
    """What is used afterwards less what is used now."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a write is refused: the first amount that does not fit."""

    provider_id: UUID
    resource_class: str
    reason: str
    """`no_inventory`, or a word of capacity.misfit."""
    amount: int

    @property
    def sentence(self) -> str:
        """In the words that clients look for."""
        if self.reason == "no_inventory":
            return f"Inventory for '{self.resource_class}' on resource provider '{self.provider_id}' invalid."
        short = self.reason == "resource_class_short"
        why = "exceed the capacity" if short else "violate inventory constraints"
        return (
            f"Unable to create allocation for '{self.resource_class}' on resource provider "
            f"'{self.provider_id}'. The requested amount would {why}."
        )


def moves(held: Iterable[Amounts], wanted: Iterable[Amounts]) -> tuple[Move, ...]:
    """What changes, in the order in which rows are written."""
    changes: dict[Key, int] = {}
    for sign, side in ((-1, held), (1, wanted)):
        for amounts in side:
            for key, amount in _flat(amounts):
                changes[key] = changes.get(key, 0) + sign * amount
    return tuple(Move(*key, change) for key, change in sorted(changes.items()) if change)


def misfit(wanted: Sequence[Amounts], changes: Sequence[Move], stocks: Mapping[Key, Stock]) -> Misfit | None:
    """The first reason to refuse, in the request's order; None when all fits.

    Limits of a single allocation hold for each amount, whether it is new or not. Capacity is asked only of
    what grows: a change that eases an overcommitted inventory is welcome even when it stays so.
    """
    growth = {(move.provider_id, move.resource_class): move.change for move in changes}
    amounts = [each for one in wanted for each in _flat(one)]
    stocked = {provider_id for provider_id, _ in stocks}
    for (provider_id, _), amount in amounts:
        if provider_id not in stocked:
            classes = ", ".join(sorted({name for one in wanted for name in one.get(provider_id, ())}))
            return Misfit(provider_id, classes, "no_inventory", amount)
    for key, amount in amounts:
        reason = _reason(stocks.get(key), amount, growth.get(key, 0))
        if reason is not None:
            return Misfit(*key, reason, amount)
    return None


def _reason(stock: Stock | None, amount: int, growth: int) -> str | None:
    if stock is None:
        return "no_inventory"
    if amount < stock.min_unit:
        return "below_min_unit"
    if amount > stock.max_unit:
        return "above_max_unit"
    if amount % stock.step_size:
        return "not_step_size"
    return "resource_class_short" if growth > 0 and growth > stock.free else None


def _flat(amounts: Amounts) -> Iterator[tuple[Key, int]]:
    for provider_id, classes in amounts.items():
        for name, amount in classes.items():
            yield (provider_id, name), amount
