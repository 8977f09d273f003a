"""About a thousand trees as columns. Immutable: a change makes a new block, readers keep the one they have.

Trees stand in the order of (created, id) of their roots. Providers stand tree by tree, within a tree depth
first, siblings in the order of (created, id): so a tree is a range of providers, and so is every subtree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kcloud_api.placement.snapshot.words import Words

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Indices = NDArray[np.int64]
"""Wide, for numpy takes by nothing else: it would widen narrower ones each time."""
Texts = NDArray[np.bytes_]

T = TypeVar("T")

TOTAL, RESERVED, MIN_UNIT, MAX_UNIT, STEP_SIZE = range(5)
"""Rows of `Stocks.limits`."""
UNCOUNTABLE = 2**50
"""More than this is as good as this: so sums over a tree stay within 64 bits."""


@dataclass(frozen=True)
class Stocks:
    """One class: who has it, in the order of providers."""

    provider: Indices
    tree: Indices
    limits: Ints
    ratio: NDArray[np.float64]
    used: Ints

    def using(self, used: Ints) -> "Stocks":
        """With these amounts in use. What was worked out of the rest goes along."""
        return _keeping(self, replace(self, used=used), ("_capacity", "_starts", "lowest_max", "is_plain"))

    @cached_property
    def _capacity(self) -> Ints:
        capacity = np.trunc((self.limits[TOTAL] - self.limits[RESERVED]) * self.ratio)
        clipped: Ints = np.clip(capacity, -UNCOUNTABLE, UNCOUNTABLE).astype(np.int64)
        return clipped

    @cached_property
    def free(self) -> Ints:
        return self._capacity - self.used

    def rows(self, tree: int) -> tuple[int, int]:
        """Where a tree's rows begin and end."""
        starts = self._starts
        return (int(starts[tree]), int(starts[tree + 1])) if tree + 1 < len(starts) else (0, 0)

    @cached_property
    def _starts(self) -> Ints:
        return np.searchsorted(self.tree, np.arange(int(self.tree[-1]) + 2))

    @cached_property
    def most_free(self) -> int:
        return int(self.free.max(initial=0))

    @cached_property
    def lowest_max(self) -> int:
        return int(self.limits[MAX_UNIT].min(initial=UNCOUNTABLE))

    @cached_property
    def is_plain(self) -> bool:
        """No smallest amount and no steps."""
        return bool((self.limits[MIN_UNIT] <= 1).all() and (self.limits[STEP_SIZE] == 1).all())

    def fitting(self, amount: int) -> Bools:
        """Whose stock this amount fits, row by row."""
        fits: Bools = self.free >= min(amount, UNCOUNTABLE)
        if amount > self.lowest_max:
            fits &= self.limits[MAX_UNIT] >= min(amount, UNCOUNTABLE)
        if not self.is_plain:
            step = self.limits[STEP_SIZE]
            fits &= (self.limits[MIN_UNIT] <= amount) & (min(amount, UNCOUNTABLE) % np.maximum(step, 1) == 0)
        return fits


def _keeping(old: T, new: T, names: tuple[str, ...]) -> T:
    """The new one, knowing what the old one has worked out."""
    known = vars(old)
    vars(new).update({name: known[name] for name in names if name in known})
    return new


class Answers:
    """The trees that were found for the last few requests. Threads may use it together."""

    MOST = 64

    def __init__(self) -> None:
        self._known: dict[object, NDArray[np.int32]] = {}

    def get(self, key: object) -> NDArray[np.int32] | None:
        return self._known.get(key)

    def keep(self, key: object, trees: NDArray[np.int32]) -> NDArray[np.int32]:
        if len(self._known) >= self.MOST:
            self._known = {}
        self._known[key] = trees
        return trees


@dataclass(frozen=True)
class Block:
    """Columns of trees (`created`, `version`, `starts`), and columns of providers."""

    words: Words
    created: Ints
    version: Ints
    """Two trees of one version are the same."""
    starts: Indices
    """Where each tree's providers begin, and behind the last the number of all."""
    tree: Indices
    parent: Indices
    """A root is its own."""
    end: Indices
    """Where the providers at and below this one end."""
    ids: Texts
    names: Texts
    generation: Ints
    traits: Indices
    aggregates: Indices
    stocks: Mapping[str, Stocks]

    @property
    def trees(self) -> int:
        return len(self.version)

    @property
    def providers(self) -> int:
        return len(self.ids)

    def using(self, used: Mapping[str, Ints], generation: Ints, version: Ints) -> "Block":
        """With these amounts in use, by class: the trees are of the same shape."""
        stocks = {
            name: each if used[name] is each.used else each.using(used[name])
            for name, each in self.stocks.items()
        }
        new = replace(self, version=version, generation=generation, stocks=stocks)
        return _keeping(self, new, ("roots", "sizes", "root_traits", "_traits"))

    @cached_property
    def roots(self) -> Texts:
        """Of each tree, its root's id."""
        return self.ids[self.starts[:-1]]

    def free_in_trees(self, resource_class: str) -> Ints:
        """What each tree has left of a class."""
        known = self._free.get(resource_class)
        if known is None:
            known = np.zeros(self.trees, dtype=np.int64)
            if (stocks := self.stocks.get(resource_class)) is not None:
                np.add.at(known, stocks.tree, np.maximum(stocks.free, 0))
            self._free[resource_class] = known
        return known

    @cached_property
    def _free(self) -> dict[str, Ints]:
        return {}

    @cached_property
    def sizes(self) -> Ints:
        """Of each provider, how many there are at and below it."""
        return self.end - np.arange(self.providers)

    @cached_property
    def root_traits(self) -> Indices:
        """Of each tree, its root's set of traits."""
        return self.traits.take(self.starts[:-1])

    def traits_of(self, resource_class: str) -> Indices:
        """Of each row of a class, its provider's set of traits."""
        known = self._traits.get(resource_class)
        if known is None:
            known = self._traits[resource_class] = self.traits.take(self.stocks[resource_class].provider)
        return known

    @cached_property
    def _traits(self) -> dict[str, Indices]:
        return {}

    @cached_property
    def answers(self) -> "Answers":
        return Answers()

    def trees_of(self, providers: Indices | Ints) -> Bools:
        """Of each tree, whether one of these providers is in it."""
        passing = np.zeros(self.trees, dtype=np.bool_)
        passing[self.tree.take(providers)] = True
        return passing

    def inside(self, table: Bools, providers: Indices | Ints, *, by_root: bool) -> Bools:
        """Of each of these providers, whether its set of aggregates is in the table. `by_root`: the root's
        aggregates are every provider's, as they are for the unsuffixed group."""
        found: Bools = table.take(self.aggregates.take(providers))
        if by_root:
            found |= table.take(self.aggregates.take(self.starts.take(self.tree.take(providers))))
        return found

    def find(self, provider_id: bytes) -> int | None:
        """Where a provider is, by its id."""
        found = np.flatnonzero(self.ids == np.bytes_(provider_id))
        return int(found[0]) if len(found) else None


def memory(block: Block) -> int:
    """Bytes of its columns."""
    arrays = [getattr(block, field.name) for field in fields(block)]
    arrays += [getattr(stocks, field.name) for stocks in block.stocks.values() for field in fields(stocks)]
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
