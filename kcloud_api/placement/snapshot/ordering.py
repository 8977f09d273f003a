"""Orders the trees of all blocks by what is free of the request's rarest class."""

from collections.abc import Iterator, Sequence

import numpy as np

from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.block import UNCOUNTABLE, Block, Ints

SIGNS = {"spread": -1, "pack": 1}
"""Of what is free, in the sort key: `spread` takes the tree with most first, `pack` the one with least."""
ENOUGH_TO_COMPARE = 1000
"""A class that this many trees can serve is not rare; counting stops there."""
EVERYWHERE = frozenset({"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"})
"""Classes that every host has: among equally many trees they count as the less rare."""


def by_free(
    found: Sequence[tuple[Block, Ints]], request: ResourceRequest, sign: int
) -> Iterator[tuple[Block, Ints]]:
    """The trees found, those with equally much in the order of trees."""
    asked = _asked(request)
    if not asked:
        yield from found
        return
    blocks = [block for block, _ in found]
    rarest = min(asked, key=lambda name: (_count(blocks, name, max(asked[name])), name in EVERYWHERE, name))
    free = [_free(block, rarest, min(asked[rarest]))[indices] for block, indices in found]
    block_of = np.repeat(np.arange(len(found)), [len(indices) for _, indices in found])
    index_of = np.concatenate([indices for _, indices in found] or [np.zeros(0, dtype=np.int64)])
    order = np.argsort(sign * np.concatenate(free or [index_of]), kind="stable")
    for number, index in zip(block_of[order].tolist(), index_of[order, np.newaxis], strict=True):
        yield blocks[number], index


def _asked(request: ResourceRequest) -> dict[str, list[int]]:
    asked: dict[str, list[int]] = {}
    for group in request.groups.values():
        for name, amount in group.resources.items():
            asked.setdefault(name, []).append(min(amount, UNCOUNTABLE))
    return asked


def _count(blocks: Sequence[Block], name: str, amount: int) -> int:
    """How many trees have that much at one provider."""
    count = 0
    for block in blocks:
        stocks = block.stocks.get(name)
        if stocks is not None and stocks.most_free >= amount:
            # Rows of a tree stand together.
            trees = stocks.tree[stocks.free >= amount]
            count += int(np.count_nonzero(np.diff(trees, prepend=-1)))
        if count >= ENOUGH_TO_COMPARE:
            return ENOUGH_TO_COMPARE
    return count


def _free(block: Block, name: str, least: int) -> Ints:
    """Of each tree, what is free where one of the groups finds room."""
    free = np.zeros(block.trees, dtype=np.int64)
    stocks = block.stocks.get(name)
    if stocks is not None:
        np.add.at(free, stocks.tree, np.where(stocks.free >= least, stocks.free, 0))
    return free
