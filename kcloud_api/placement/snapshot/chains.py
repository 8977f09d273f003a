"""Walks all trees of a block through the constraints of one need: offers.py, in columns."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from kcloud_api.placement.constraints import Constraint, Need, ordered
from kcloud_api.placement.snapshot.block import (
    MAX_UNIT,
    MIN_UNIT,
    STEP_SIZE,
    UNCOUNTABLE,
    Block,
    Bools,
    Indices,
    Ints,
    Stocks,
)

Places = Indices | Ints
"""Of providers, in order."""


class Failing(NamedTuple):
    """Trees of which this is the first constraint of a need that they do not meet."""

    constraint: Constraint
    trees: Bools
    lacking: Ints | None = None
    """Of 1000 parts of the amount; of every tree."""


def serving(block: Block, need: Need, *, fitting: bool) -> Places:
    """The providers that can serve the need alone; without `fitting` those that could but for the amounts."""
    found = _having_classes(block, need, fitting=fitting)
    for _, passes in conditions(block, need):
        found = found[passes(found)]
    return found


def failing(block: Block, need: Need, left: Bools) -> Iterator[Failing]:
    """Where each of the trees `left`, which are not served, drops out."""
    for name, amount in need.amounts:
        stocks = block.stocks.get(name)
        having = np.zeros(block.trees, dtype=np.bool_) if stocks is None else block.trees_of(stocks.provider)
        yield Failing(need.says("resource_class_absent", name, amount), left & ~having)
        left = left & having
        if stocks is None or not left.any():
            return
    providers = _within(block, _having_classes(block, need, fitting=False), left)
    if len(need.amounts) > 1:
        yield Failing(need.says("classes_apart", names=need.classes), left & ~block.trees_of(providers))
    for constraint, passes in conditions(block, need):
        left = left & block.trees_of(providers)
        providers = providers[passes(providers)]
        yield Failing(constraint, left & ~block.trees_of(providers))
    left = left & block.trees_of(providers)
    for name, amount in need.amounts:
        for found in _without_room(block, need.says("", name, amount), _within(block, providers, left), left):
            yield found
            left = left & ~found.trees
    if len(need.amounts) > 1:
        yield Failing(need.says("group_apart", names=need.classes), left)


def having(block: Block, traits: Iterable[str]) -> Bools:
    """By number of a set of traits: whether it has one of these."""
    words = block.words.traits
    return words.having(traits, len(words))


def conditions(block: Block, need: Need) -> Iterator[tuple[Constraint, Callable[[Places], Bools]]]:
    """What single providers must meet besides amounts, in the order of constraints.py."""
    group, sets = need.group, block.words.aggregates
    of_all = np.ones(len(sets), dtype=np.bool_)
    for members in group.member_of:
        of_all = of_all & sets.having(members, len(of_all))
        yield need.says("aggregate_missing", names=ordered(members)), partial(_is_inside, block, need, of_all)
    if group.not_member_of:
        table = sets.having(group.not_member_of, len(sets))
        yield (
            need.says("aggregate_forbidden", names=ordered(group.not_member_of)),
            partial(_is_outside, block, need, table),
        )
    for traits in need.traits:
        table = having(block, traits)
        yield need.says("trait_missing", names=ordered(traits)), partial(_is_one_of, block.traits, table)
    if group.forbidden:
        table = ~having(block, group.forbidden)
        yield (
            need.says("trait_forbidden", names=ordered(group.forbidden)),
            partial(_is_one_of, block.traits, table),
        )


def _is_one_of(column: Indices, table: Bools, providers: Places) -> Bools:
    found: Bools = table[column[providers]]
    return found


def _is_inside(block: Block, need: Need, table: Bools, providers: Places) -> Bools:
    return block.inside(table, providers, by_root=need.is_spread)


def _is_outside(block: Block, need: Need, table: Bools, providers: Places) -> Bools:
    return ~_is_inside(block, need, table, providers)


def _having_classes(block: Block, need: Need, *, fitting: bool) -> Places:
    """Providers that have all of its classes; `fitting`: with room."""
    found: Places | None = None
    for name, amount in need.amounts:
        stocks = block.stocks.get(name)
        if stocks is None:
            return np.zeros(0, dtype=np.int64)
        here = stocks.provider[stocks.fitting(amount)] if fitting else stocks.provider
        found = here if found is None else found[np.isin(found, here, assume_unique=True)]
    return np.arange(block.providers) if found is None else found


def _within(block: Block, providers: Places, trees: Bools) -> Places:
    return providers[trees[block.tree[providers]]]


def _without_room(block: Block, asked: Constraint, providers: Places, left: Bools) -> Iterator[Failing]:
    """Of one class, which all of these providers have."""
    stocks, amount = block.stocks[asked.resource_class], min(asked.amount, UNCOUNTABLE)
    rows = np.searchsorted(stocks.provider, providers)
    limits = stocks.limits
    sizes: tuple[tuple[str, Callable[[Places], Bools]], ...] = (
        ("below_min_unit", lambda at: limits[MIN_UNIT, at] <= amount),
        ("above_max_unit", lambda at: _is_no_limit(stocks, at, amount)),
        ("not_step_size", lambda at: amount % np.maximum(limits[STEP_SIZE, at], 1) == 0),
    )
    for code, passes in sizes:
        if stocks.is_plain and code != "above_max_unit":
            continue
        rows = rows[passes(rows)]
        passing = block.trees_of(stocks.provider[rows])
        yield Failing(asked.named(code), left & ~passing)
        left = left & passing
    for code, parts in (
        ("resource_class_too_small", stocks.free[rows] + stocks.used[rows]),
        ("resource_class_short", stocks.free[rows]),
    ):
        short = shortage(block, stocks, rows, parts, amount)
        yield Failing(asked.named(code), left & (short > 0), short * 1000 // amount)
        left = left & (short <= 0)
        if not left.any():
            return
    fits = rows[stocks.fitting(asked.amount)[rows]]
    yield Failing(asked.named("not_in_one_provider"), left & ~block.trees_of(stocks.provider[fits]))


def _is_no_limit(stocks: Stocks, at: Places, amount: int) -> Bools:
    most = stocks.limits[MAX_UNIT, at]
    found: Bools = (amount <= most) | (stocks.free[at] + stocks.used[at] <= most)
    return found


def shortage(block: Block, stocks: Stocks, rows: Places, parts: Ints, amount: int) -> Ints:
    """Of each tree, by how much these rows together fall short of the amount."""
    have = np.zeros(block.trees, dtype=np.int64)
    # More of one than is asked for is as good as what is asked for: so sums stay within 64 bits.
    np.add.at(have, stocks.tree[rows], np.clip(parts, 0, amount))
    return np.maximum(amount - have, 0)
