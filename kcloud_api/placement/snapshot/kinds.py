"""Tells trees apart by what decides whether groups can be served together, and by nothing else.

A cloud has many hosts and few kinds of them: of those where each group finds room alone, whether all groups
do is worked out once for each kind, by trying.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from kcloud_api.placement.constraints import Constraint, plan
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.block import MAX_UNIT, Block, Ints
from kcloud_api.placement.snapshot.chains import having
from kcloud_api.placement.snapshot.walking import Walk

MOST_LEVELS = 4096
BITS = 62
"""That fit beside each other into one number."""


class Kinds:
    """Of one request. `known`: by kind the constraint that removes such trees, or None where they serve."""

    def __init__(self, request: ResourceRequest) -> None:
        self.known: dict[bytes, Constraint | None] = {}
        self._request = request
        self._plan = plan(request)
        self._amounts = _contended(request)
        self._levels = {name: _levels(amounts) for name, amounts in self._amounts.items()}

    @property
    def all_serve(self) -> bool:
        """Trees that serve each need alone serve them together: nothing is asked for twice, and no provider
        has to be chosen with an eye on another."""
        request = self._request
        alone = request.group_policy == "none" or len(request.groups) == 1
        tied = request.same_subtrees or request.flat or self._plan.collective
        return alone and not (self._amounts or tied)

    def of(self, walk: Walk, trees: Ints) -> Iterator[tuple[int, bytes]]:
        """The kind of each of these trees."""
        if not len(trees):
            return
        told = _told(list(self._columns(walk)), walk.block)
        starts = (walk.block.starts * (told.itemsize * told[:1].size)).tolist()
        text = told.tobytes()
        for index in trees.tolist():
            yield index, text[starts[index] : starts[index + 1]]

    def _columns(self, walk: Walk) -> Iterator[tuple[Ints, int]]:
        """Of each provider: where it lies, whom it can serve, what traits it brings, how much it can give.
        Each column with the number of bits that it needs."""
        block = walk.block
        if self._request.same_subtrees:
            yield from _places(block)
        for providers in walk.able.values():
            flags = np.zeros(block.providers, dtype=np.int64)
            flags[providers] = 1
            yield flags, 1
        for any_of in self._plan.collective:
            yield having(block, any_of)[block.traits].astype(np.int64), 1
        for name, levels in self._levels.items():
            yield _level(block, name, levels)


def _told(columns: Sequence[tuple[Ints, int]], block: Block) -> Ints:
    """One number of each provider, sorted within its tree: like trees differ in the order of their providers
    (where they lie is a column where it matters). Where one number is too small, all columns as they are."""
    tree = block.tree.astype(np.int64)
    if sum(bits for _, bits in columns) + block.trees.bit_length() > BITS:
        return np.stack([column for column, _ in columns], axis=1)
    key = tree
    for column, bits in columns:
        key = (key << bits) | column
    key.sort()
    return key - (tree << sum(bits for _, bits in columns))


def _places(block: Block) -> Iterator[tuple[Ints, int]]:
    """Below whom; and of those who have somebody below them, who they are."""
    start = block.starts[block.tree]
    own = np.arange(block.providers)
    bits = int(np.diff(block.starts).max(initial=1)).bit_length()
    yield (block.parent - start).astype(np.int64), bits
    yield np.where(block.end > own + 1, own - start, 0), bits


def _contended(request: ResourceRequest) -> dict[str, list[int]]:
    """Classes that are asked for more than once, with the amounts."""
    asked: dict[str, list[int]] = {}
    for group in request.groups.values():
        for name, amount in group.resources.items():
            asked.setdefault(name, []).append(amount)
    return {name: amounts for name, amounts in asked.items() if len(amounts) > 1}


def _levels(amounts: Sequence[int]) -> Ints | None:
    """Every sum that some of the groups may ask of one provider: what is between two of them gives no more
    than the lower one. None where there are too many."""
    sums = {0}
    for amount in amounts:
        sums |= {amount + before for before in sums}
        if len(sums) > MOST_LEVELS:
            return None
    return np.array(sorted(sums), dtype=np.int64)


def _level(block: Block, name: str, levels: Ints | None) -> tuple[Ints, int]:
    found = np.zeros(block.providers, dtype=np.int64)
    stocks = block.stocks.get(name)
    bits = BITS if levels is None else len(levels).bit_length()
    if stocks is not None:
        most = np.minimum(stocks.free, stocks.limits[MAX_UNIT])
        found[stocks.provider] = most if levels is None else np.searchsorted(levels, most, side="right")
    return found, bits
