"""Says which trees of a block may serve a request, all trees at once.

The conditions are necessary ones: what they let through, `ways` still has to look at. Trees that other trees'
providers share with pass every condition that such a provider might meet for them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.asked import Asked, Need, asked
from kcloud_api.placement.snapshot.block import UNCOUNTABLE, Block, Bools, Ints

NONE: Ints = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Lending:
    """The providers that share with other trees: by class, the aggregates through which. `every`: of all."""

    by_class: Mapping[str, frozenset[UUID]]
    every: frozenset[UUID]


NOBODY_LENDS = Lending({}, frozenset())


def fitting(block: Block, request: ResourceRequest, lending: Lending = NOBODY_LENDS) -> Ints:
    """The trees that meet every condition, in order. A block remembers what was asked of it lately: clients
    ask for the same few shapes, and most blocks have not changed since."""
    compiled = asked(request, block.words, (len(block.words.traits), len(block.words.aggregates)))
    key = (compiled.key, frozenset(lending.by_class.items()), lending.every)
    known = block.answers.get(key)
    if known is None:
        known = block.answers.keep(key, _fitting(_Look(block, compiled, lending)).astype(np.int32))
    return known.astype(np.int64)


def _fitting(look: "_Look") -> Ints:
    left: Bools | None = None
    for passing in look.conditions():
        left = passing if left is None else left & passing
        if not left.any():
            return NONE
    return np.arange(look.block.trees) if left is None else np.flatnonzero(left)


class _Look:
    """At one block for one request: what several conditions need is worked out once."""

    def __init__(self, block: Block, compiled: Asked, lending: Lending) -> None:
        self.block = block
        self.asked = compiled
        self.request = compiled.request
        self.lending = lending
        self._servers: dict[Need, Ints] = {}

    def conditions(self) -> Iterator[Bools]:
        """Trees that meet each, for itself; the cheap ones first."""
        yield from self._of_root()
        yield from self._in_tree()
        for need in self.asked.needs:
            classes = [name for name, _ in need.amounts]
            if len(need.suffixes) > 1:
                yield self._widened(self._places(need), classes)
            else:
                yield self._widened(self.block.trees_of(self._serving(need)), classes)
        yield from self._spread_traits()
        for name, amount in self.asked.shared_totals.items():
            enough: Bools = self.block.free_in_trees(name) >= min(amount, UNCOUNTABLE)
            yield self._widened(enough, [name])
        for suffixes in self.request.same_subtrees:
            yield self._same_subtree(suffixes)

    def _of_root(self) -> Iterator[Bools]:
        having, size = self.asked.words.traits.having, self.asked.traits
        for trait in self.request.root_required:
            yield having([trait], size).take(self.block.root_traits)
        for trait in self.request.root_forbidden:
            yield ~having([trait], size).take(self.block.root_traits)

    def _in_tree(self) -> Iterator[Bools]:
        for group in self.request.groups.values():
            if group.in_tree is not None:
                passing = np.zeros(self.block.trees, dtype=np.bool_)
                place = self.block.find(group.in_tree.bytes)
                if place is not None:
                    passing[self.block.tree[place]] = True
                yield self._widened(passing, group.resources)

    def _spread_traits(self) -> Iterator[Bools]:
        """Traits that the providers of the unsuffixed group have together."""
        mine = [need for need in self.asked.needs if need.is_spread]
        for having in self.asked.spread_required:
            passing = np.zeros(self.block.trees, dtype=np.bool_)
            for need in mine:
                serving = self._serving(need)
                having_it = having.take(self.block.traits.take(serving))
                passing |= self.block.trees_of(serving.compress(having_it))
            yield self._widened(passing, [name for need in mine for name, _ in need.amounts])

    def _places(self, need: Need) -> Bools:
        """Equal groups need as many places."""
        serving = self._serving(need)
        trees = self.block.tree.take(serving)
        weights = self._places_at(need, serving)
        found = np.bincount(trees, weights=weights, minlength=self.block.trees)
        enough: Bools = found >= len(need.suffixes)
        return enough

    def _places_at(self, need: Need, serving: Ints) -> Ints | None:
        """How many of the equal groups each of these providers can serve; None: one each."""
        if self.request.group_policy == "isolate" or len(need.suffixes) == 1 or not len(serving):
            return None
        places = np.full(len(serving), len(need.suffixes), dtype=np.int64)
        for name, amount in need.amounts:
            stocks = self.block.stocks[name]
            free = stocks.free.take(np.searchsorted(stocks.provider, serving))
            places = np.minimum(places, free // max(amount, 1))
        return places

    def _same_subtree(self, suffixes: frozenset[str]) -> Bools:
        """There is a provider that serves one of the groups, with enough at and below it for all of them."""
        mine = [need for need in self.asked.needs if not suffixes.isdisjoint(need.suffixes)]
        if not mine:
            return np.ones(self.block.trees, dtype=np.bool_)
        serves = np.zeros(self.block.providers, dtype=np.bool_)
        for need in mine:
            serves[self._serving(need)] = True
        if self.request.group_policy == "isolate":
            # Each from a provider of its own: most heads are too small.
            serves &= self.block.sizes >= len(suffixes)
        heads = np.flatnonzero(serves)
        # The groups of which there are many first: they leave the fewest heads.
        for need in sorted(mine, key=lambda need: -len(suffixes.intersection(need.suffixes))):
            serving = self._serving(need)
            below = np.zeros(self.block.providers + 1, dtype=np.int64)
            places = self._places_at(need, serving)
            below[serving + 1] = 1 if places is None else places
            np.cumsum(below, out=below)
            found = below.take(self.block.end.take(heads)) - below.take(heads)
            heads = heads.compress(found >= len(suffixes.intersection(need.suffixes)))
        classes = [name for need in mine for name, _ in need.amounts]
        return self._widened(self.block.trees_of(heads), classes)

    def _serving(self, need: Need) -> Ints:
        """The providers that can serve the need alone, in order."""
        known = self._servers.get(need)
        if known is None:
            known = self._servers[need] = self._with_aggregates(need, self._with_room(need))
        return known

    def _with_room(self, need: Need) -> Ints:
        """And with the traits."""
        if not need.amounts:
            everybody = np.arange(self.block.providers)
            return (
                everybody if need.traits is None else everybody.compress(need.traits.take(self.block.traits))
            )
        found: Ints | None = None
        for name, amount in need.amounts:
            stocks = self.block.stocks.get(name)
            if stocks is None or stocks.most_free < min(amount, UNCOUNTABLE):
                return NONE
            fits = stocks.fitting(amount)
            if need.traits is not None and found is None:
                fits &= need.traits.take(self.block.traits_of(name))
            here = stocks.provider if fits.all() else stocks.provider.compress(fits)
            found = here if found is None else found.compress(np.isin(found, here, assume_unique=True))
        return NONE if found is None else found

    def _with_aggregates(self, need: Need, found: Ints) -> Ints:
        for table in need.aggregates:
            found = found.compress(self.block.inside(table, found, by_root=need.is_spread))
        if need.not_aggregates is not None:
            found = found.compress(~self.block.inside(need.not_aggregates, found, by_root=need.is_spread))
        return found

    def _widened(self, passing: Bools, classes: Iterable[str]) -> Bools:
        """With the trees that somebody else's provider of one of these classes serves; of any, for none."""
        if not self.lending.every:
            return passing
        lent = [self.lending.by_class.get(name, frozenset()) for name in classes]
        through = frozenset().union(*lent) if lent else self.lending.every
        table = self.asked.words.aggregates.having(through, len(self.asked.words.aggregates))
        return passing | self.block.trees_of(np.flatnonzero(table.take(self.block.aggregates)))
