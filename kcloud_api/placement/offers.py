"""Walks one tree's providers through what a need asks, and says where the last of them drops out. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.constraints import Constraint, Need, ordered
from kcloud_api.placement.tree import Provider, Tree, lenders

MOST_PARTS = 8
"""Of what a host has, in several providers: `1+1+1`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A constraint that is not met. `has`: what single providers have of what was asked for, the most first,
    at most MOST_PARTS; or the nearest limit on the amount. `lacking`: of 1000 parts of the amount."""

    constraint: Constraint
    has: tuple[int, ...] = ()
    lacking: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider, with the aggregates of the root that count as its own too."""

    provider: Provider
    of_root: frozenset[UUID]

    def stock(self, resource_class: str) -> Stock:
        return self.provider.stocks[resource_class]


def offers(tree: Tree, *, is_spread: bool) -> list[Offer]:
    """What may serve a need: the tree's providers and those that share with it."""
    none: frozenset[UUID] = frozenset()
    own = [Offer(provider, tree.root.aggregates if is_spread else none) for provider in tree.providers]
    return own + [Offer(provider, none) for provider in lenders(tree)]


def fitting(need: Need, offered: Sequence[Offer]) -> list[Offer] | Failure:
    """Those that can serve the need alone; or the constraint that none of them meets."""
    for name, amount in need.amounts:
        if not any(name in offer.provider.stocks for offer in offered):
            return Failure(need.says("resource_class_absent", name, amount))
    left = list(offered)
    for constraint, passes in _conditions(need):
        left = [offer for offer in left if passes(offer)]
        if not left:
            return Failure(constraint)
    together = left
    for name, amount in need.amounts:
        found = _with_room(left, need.says("", name, amount))
        if isinstance(found, Failure):
            return found
        together = [offer for offer in together if offer in found]
    return together or Failure(need.says("group_apart", names=need.classes))


def suitable(need: Need, offered: Sequence[Offer]) -> list[Offer]:
    """Those that meet everything but the amounts."""
    conditions = [passes for _, passes in _conditions(need)]
    return [offer for offer in offered if all(passes(offer) for passes in conditions)]


def _conditions(need: Need) -> Iterator[tuple[Constraint, Callable[[Offer], bool]]]:
    """In the order of constraints.py."""
    group = need.group
    yield need.says("classes_apart", names=need.classes), partial(_has_classes, frozenset(need.classes))
    for count, members in enumerate(group.member_of, 1):
        passes = partial(_is_member, group.member_of[:count])
        yield need.says("aggregate_missing", names=ordered(members)), passes
    if group.not_member_of:
        barred = group.not_member_of
        yield need.says("aggregate_forbidden", names=ordered(barred)), partial(_is_no_member, barred)
    for traits in need.traits:
        yield need.says("trait_missing", names=ordered(traits)), partial(_has_any, traits)
    if group.forbidden:
        yield (
            need.says("trait_forbidden", names=ordered(group.forbidden)),
            partial(_has_none, group.forbidden),
        )


def _has_classes(classes: frozenset[str], offer: Offer) -> bool:
    return classes <= offer.provider.stocks.keys()


def _is_member(member_of: tuple[frozenset[UUID], ...], offer: Offer) -> bool:
    """By itself or by its root, but not by both together."""
    return any(
        all(not members.isdisjoint(aggregates) for members in member_of)
        for aggregates in (offer.provider.aggregates, offer.of_root)
    )


def _is_no_member(aggregates: frozenset[UUID], offer: Offer) -> bool:
    return aggregates.isdisjoint(offer.provider.aggregates | offer.of_root)


def _has_any(traits: frozenset[str], offer: Offer) -> bool:
    return not traits.isdisjoint(offer.provider.traits)


def _has_none(traits: frozenset[str], offer: Offer) -> bool:
    return traits.isdisjoint(offer.provider.traits)


def _with_room(offered: Sequence[Offer], asked: Constraint) -> list[Offer] | Failure:
    """Those that have room for the amount of one class."""
    name, amount = asked.resource_class, asked.amount
    left = [(offer, offer.stock(name)) for offer in offered]
    for code, passes, limit in SIZE_LIMITS:
        limits = [limit(stock) for _, stock in left]
        left = [(offer, stock) for offer, stock in left if passes(stock, amount)]
        if not left:
            nearest = max(limits) if code == "above_max_unit" else min(limits)
            return Failure(asked.named(code), (nearest,))
    stocks = [stock for _, stock in left]
    failure = amount_failure(stocks, asked)
    if failure is not None:
        return failure
    found = [offer for offer, stock in left if amount <= min(stock.free, stock.max_unit)]
    return found or Failure(asked.named("not_in_one_provider"), biggest(stock.free for stock in stocks))


SIZE_LIMITS: tuple[tuple[str, Callable[[Stock, int], bool], Callable[[Stock], int]], ...] = (
    ("below_min_unit", lambda stock, amount: amount >= stock.min_unit, lambda stock: stock.min_unit),
    # A limit that is the size of the device says no more than its size does.
    (
        "above_max_unit",
        lambda stock, amount: amount <= stock.max_unit or stock.capacity <= stock.max_unit,
        lambda stock: stock.max_unit,
    ),
    ("not_step_size", lambda stock, amount: amount % stock.step_size == 0, lambda stock: stock.step_size),
)


def amount_failure(stocks: Sequence[Stock], asked: Constraint) -> Failure | None:
    """None when the stocks together hold the amount."""
    for code, parts in (
        ("resource_class_too_small", [max(0, stock.capacity) for stock in stocks]),
        ("resource_class_short", [max(0, stock.free) for stock in stocks]),
    ):
        short = asked.amount - sum(parts)
        if short > 0:
            return Failure(asked.named(code), biggest(parts), short * 1000 // asked.amount)
    return None


def biggest(parts: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted((part for part in parts if part > 0), reverse=True)[:MOST_PARTS])
