"""Says of each tree of a block whether it meets single conditions of a request, all trees at once.

The conditions are necessary ones: what they let through, `ways` still has to look at. Trees that other trees'
providers share with pass every condition that such a provider might meet for them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from kcloud_api.placement.request import UNSUFFIXED, ResourceRequest
from kcloud_api.placement.snapshot.asked import Asked, Need, asked
from kcloud_api.placement.snapshot.block import UNCOUNTABLE, Block, Bools, Indices, Ints


@dataclass(frozen=True, slots=True)
class Constraint:
    """`kind`, in the order of `stages`:

    `root_required`, `root_forbidden` (a trait each, of the root), `in_tree`;
    `resource` (of a group: some provider has room for `amount` of the class), `required` (some provider has
    one of these traits), `member_of`;
    `provider` (one provider meets all that the group asks for; of the unsuffixed group, for each class);
    `places` (`amount` groups ask for the same, and find as many places), `total` (of all groups),
    `same_subtree` (`names`: the groups).
    """

    kind: str
    group: str = UNSUFFIXED
    resource_class: str = ""
    amount: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lending:
    """The providers that share with other trees: by class, the aggregates through which. `every`: of all."""

    by_class: Mapping[str, frozenset[UUID]]
    every: frozenset[UUID]


NOBODY_LENDS = Lending({}, frozenset())


def stages(
    block: Block, request: ResourceRequest, lending: Lending = NOBODY_LENDS, *, brief: bool = False
) -> Iterator[tuple[Constraint, Bools]]:
    """Each condition with the trees that meet it, for itself and not after the ones before. `brief` leaves
    out those that others imply."""
    words = block.words
    return _Look(block, asked(request, words, (len(words.traits), len(words.aggregates))), lending).stages(
        brief
    )


def fitting(block: Block, request: ResourceRequest, lending: Lending = NOBODY_LENDS) -> Ints:
    """The trees that meet every condition."""
    left: Bools | None = None
    for _, passing in stages(block, request, lending, brief=True):
        left = passing if left is None else left & passing
        if not left.any():
            return np.zeros(0, dtype=np.int64)
    return np.arange(block.trees) if left is None else np.flatnonzero(left)


class _Look:
    """At one block for one request: what several conditions need is worked out once."""

    def __init__(self, block: Block, asked: Asked, lending: Lending) -> None:
        self.block = block
        self.asked = asked
        self.request = asked.request
        self.lending = lending
        self._servers: dict[Need, Indices | Ints] = {}

    def stages(self, brief: bool) -> Iterator[tuple[Constraint, Bools]]:
        yield from self._of_root()
        yield from self._in_tree()
        for need in self.asked.needs:
            if not brief:
                yield from self._parts(need)
            yield self._provider(need)
        yield from self._spread_traits()
        for need in self.asked.needs:
            if len(need.suffixes) > 1:
                yield self._places(need)
        for name, amount in self.asked.shared_totals.items():
            yield (
                Constraint("total", resource_class=name, amount=amount),
                self._widened(self._total(name, amount), [name]),
            )
        for suffixes in self.request.same_subtrees:
            yield self._same_subtree(suffixes)

    def _of_root(self) -> Iterator[tuple[Constraint, Bools]]:
        roots = self.block.traits[self.block.starts[:-1]]
        having, size = self.asked.words.traits.having, self.asked.traits
        for trait in sorted(self.request.root_required):
            yield Constraint("root_required", names=(trait,)), having([trait], size)[roots]
        for trait in sorted(self.request.root_forbidden):
            yield Constraint("root_forbidden", names=(trait,)), ~having([trait], size)[roots]

    def _in_tree(self) -> Iterator[tuple[Constraint, Bools]]:
        for suffix, group in self.request.groups.items():
            if group.in_tree is not None:
                passing = np.zeros(self.block.trees, dtype=np.bool_)
                place = self.block.find(group.in_tree.bytes)
                if place is not None:
                    passing[self.block.tree[place]] = True
                constraint = Constraint("in_tree", suffix, names=(str(group.in_tree),))
                yield constraint, self._widened(passing, group.resources)

    def _parts(self, need: Need) -> Iterator[tuple[Constraint, Bools]]:
        """The conditions that `_provider` joins."""
        suffix = need.suffixes[0]
        classes = [name for name, _ in need.amounts]
        for name, amount in need.amounts:
            stocks = self.block.stocks.get(name)
            passing = np.zeros(self.block.trees, dtype=np.bool_)
            if stocks is not None:
                passing[stocks.tree[stocks.fitting(amount)]] = True
            yield Constraint("resource", suffix, name, amount), self._widened(passing, [name])
        if not need.is_spread:
            for any_of in need.group.required:
                having = self.asked.words.traits.having(any_of, self.asked.traits)
                passing = self._trees_of(np.flatnonzero(having[self.block.traits]))
                constraint = Constraint("required", suffix, names=tuple(sorted(any_of)))
                yield constraint, self._widened(passing, classes)
        for members, table in zip(need.group.member_of, need.aggregates, strict=True):
            every = np.arange(self.block.providers)
            passing = self._trees_of(every[self._aggregates_in(table, every, need)])
            names = tuple(sorted(map(str, members)))
            yield Constraint("member_of", suffix, names=names), self._widened(passing, classes)

    def _provider(self, need: Need) -> tuple[Constraint, Bools]:
        name, amount = need.amounts[0] if len(need.amounts) == 1 else ("", 0)
        constraint = Constraint("provider", need.suffixes[0], name, amount)
        classes = [name for name, _ in need.amounts]
        return constraint, self._widened(self._trees_of(self._serving(need)), classes)

    def _spread_traits(self) -> Iterator[tuple[Constraint, Bools]]:
        """Traits that the providers of the unsuffixed group have together."""
        mine = [need for need in self.asked.needs if need.is_spread]
        for any_of, having in self.asked.spread_required:
            passing = np.zeros(self.block.trees, dtype=np.bool_)
            for need in mine:
                serving = self._serving(need)
                passing[self.block.tree[serving[having[self.block.traits[serving]]]]] = True
            constraint = Constraint("required", names=tuple(sorted(any_of)))
            yield constraint, self._widened(passing, [name for need in mine for name, _ in need.amounts])

    def _places(self, need: Need) -> tuple[Constraint, Bools]:
        serving = self._serving(need)
        wanted = len(need.suffixes)
        places = self._places_at(need, serving)
        found = np.bincount(self.block.tree[serving], weights=places, minlength=self.block.trees)
        constraint = Constraint("places", need.suffixes[0], amount=wanted, names=need.suffixes)
        return constraint, self._widened(found >= wanted, [name for name, _ in need.amounts])

    def _places_at(self, need: Need, serving: Indices | Ints) -> Ints:
        """How many of the equal groups each of these providers can serve."""
        places = np.full(len(serving), len(need.suffixes), dtype=np.int64)
        if self.request.group_policy == "isolate":
            return np.minimum(places, 1)
        for name, amount in need.amounts:
            stocks = self.block.stocks[name]
            free = stocks.free[np.searchsorted(stocks.provider, serving)]
            places = np.minimum(places, free // max(amount, 1))
        return places

    def _total(self, name: str, amount: int) -> Bools:
        passing: Bools = self.block.free_in_trees(name) >= min(amount, UNCOUNTABLE)
        return passing

    def _same_subtree(self, suffixes: frozenset[str]) -> tuple[Constraint, Bools]:
        """There is a provider that serves one of the groups, with enough at and below it for all of them."""
        mine = [need for need in self.asked.needs if not suffixes.isdisjoint(need.suffixes)]
        if not mine:
            return Constraint("same_subtree"), np.ones(self.block.trees, dtype=np.bool_)
        serves = np.zeros(self.block.providers, dtype=np.bool_)
        for need in mine:
            serves[self._serving(need)] = True
        heads = np.flatnonzero(serves)
        for need in mine:
            serving = self._serving(need)
            below = np.zeros(self.block.providers + 1, dtype=np.int64)
            below[serving + 1] = self._places_at(need, serving)
            np.cumsum(below, out=below)
            wanted = len(suffixes.intersection(need.suffixes))
            heads = heads[below[self.block.end[heads]] - below[heads] >= wanted]
        constraint = Constraint("same_subtree", names=tuple(sorted(suffixes)))
        classes = [name for need in mine for name, _ in need.amounts]
        return constraint, self._widened(self._trees_of(heads), classes)

    def _serving(self, need: Need) -> Indices | Ints:
        """The providers that can serve the need alone, in order."""
        known = self._servers.get(need)
        if known is None:
            known = self._servers[need] = self._with_traits(need, self._with_room(need))
        return known

    def _with_room(self, need: Need) -> Indices | Ints:
        found: Indices | Ints | None = None
        for name, amount in need.amounts:
            stocks = self.block.stocks.get(name)
            if stocks is None or stocks.most_free < min(amount, UNCOUNTABLE):
                return np.zeros(0, dtype=np.int64)
            fits = stocks.fitting(amount)
            here = stocks.provider if fits.all() else stocks.provider[fits]
            found = here if found is None else found[np.isin(found, here, assume_unique=True)]
        return np.arange(self.block.providers) if found is None else found

    def _with_traits(self, need: Need, found: Indices | Ints) -> Indices | Ints:
        if need.traits is not None and len(found):
            found = found[need.traits[self.block.traits[found]]]
        for table in need.aggregates:
            found = found[self._aggregates_in(table, found, need)]
        if need.not_aggregates is not None:
            found = found[~self._aggregates_in(need.not_aggregates, found, need)]
        return found

    def _aggregates_in(self, table: Bools, providers: Indices | Ints, need: Need) -> Bools:
        """For the unsuffixed group the root's aggregates are every provider's."""
        inside: Bools = table[self.block.aggregates[providers]]
        if need.is_spread:
            roots = self.block.starts[self.block.tree[providers]]
            inside |= table[self.block.aggregates[roots]]
        return inside

    def _trees_of(self, providers: Indices | Ints) -> Bools:
        passing = np.zeros(self.block.trees, dtype=np.bool_)
        passing[self.block.tree[providers]] = True
        return passing

    def _widened(self, passing: Bools, classes: Mapping[str, int] | Sequence[str]) -> Bools:
        """With the trees that somebody else's provider of one of these classes serves."""
        if not self.lending.every:
            return passing
        through = self.lending.every
        if classes:
            lent = (self.lending.by_class.get(name, frozenset()) for name in classes)
            through = frozenset().union(*lent)
        table = self.asked.words.aggregates.having(through, len(self.asked.words.aggregates))
        return passing | self._trees_of(np.flatnonzero(table[self.block.aggregates]))
