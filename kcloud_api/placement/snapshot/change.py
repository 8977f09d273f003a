"""Puts changed trees in the place of what they were: only the blocks that hold them are made anew."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from kcloud_api.placement.snapshot.block import Block
from kcloud_api.placement.snapshot.picking import picked
from kcloud_api.placement.snapshot.rows import ID

TREES_IN_A_BLOCK = 1024
"""Enough that numpy's cost of a call is small beside its work, few enough that a change copies little."""

Key = tuple[int, bytes]
"""Where a tree stands among all: its root's (created, id)."""


def cut(block: Block) -> tuple[Block, ...]:
    """The same trees in blocks of the usual size."""
    if block.trees <= 2 * TREES_IN_A_BLOCK:
        return (block,) if block.trees else ()
    starts = range(0, block.trees, TREES_IN_A_BLOCK)
    return tuple(
        picked([block], np.arange(block.trees)[start : start + TREES_IN_A_BLOCK]) for start in starts
    )


def changed(blocks: Sequence[Block], new: Block, gone: Iterable[bytes]) -> tuple[Block, ...]:
    """`new`: trees as they are now, whether they were there or not. `gone`: roots that are roots no more."""
    if not blocks:
        return cut(new)
    drops: defaultdict[int, list[int]] = defaultdict(list)
    adds: defaultdict[int, list[int]] = defaultdict(list)
    gone_ids = np.array(list(gone), dtype=ID)
    if len(gone_ids):
        for number, block in enumerate(blocks):
            if len(hits := np.flatnonzero(np.isin(block.roots, gone_ids))):
                drops[number] = hits.tolist()
    for index in range(new.trees):
        key = _key(new, index)
        number = number_of(blocks, key)
        adds[number].append(index)
        if (old := tree_at(blocks[number], key)) is not None:
            drops[number].append(old)
    result: list[Block] = []
    for number, block in enumerate(blocks):
        if number in drops or number in adds:
            result += _replaced(block, drops[number], new, adds[number])
        else:
            result.append(block)
    return tuple(result)


def number_of(blocks: Sequence[Block], key: Key) -> int:
    """Which block holds this tree, or would."""
    return max(0, bisect_right(blocks, key, key=lambda block: _key(block, 0)) - 1)


def _key(block: Block, index: int) -> Key:
    return (int(block.created[index]), bytes(block.roots[index]))


def tree_at(block: Block, key: Key) -> int | None:
    first = int(np.searchsorted(block.created, key[0]))
    while first < block.trees and block.created[first] == key[0]:
        if bytes(block.roots[first]) == key[1]:
            return first
        first += 1
    return None


def _replaced(block: Block, drops: list[int], new: Block, adds: list[int]) -> Sequence[Block]:
    if len(drops) == len(adds):
        same = _with_amounts(block, sorted(drops), new, adds)
        if same is not None:
            return (same,)
    kept = np.delete(np.arange(block.trees), drops)
    wanted = np.concatenate([kept, block.trees + np.array(adds, dtype=np.int64)])
    created = np.concatenate([block.created, new.created])[wanted]
    ids = np.concatenate([block.roots, new.roots])[wanted]
    return cut(picked([block, new], wanted[np.lexsort((ids, created))]))


def _with_amounts(block: Block, olds: list[int], new: Block, news: list[int]) -> Block | None:
    """The block with what `new` says of amounts in use and generations: most changes are claims, and this
    copies two columns of all. None where anything else is different."""
    version, generation = block.version.copy(), block.generation.copy()
    used = {name: stocks.used for name, stocks in block.stocks.items()}
    for old, at in zip(olds, news, strict=True):
        if not _same_providers(block, old, new, at):
            return None
        version[old] = new.version[at]
        generation[_providers(block, old)] = new.generation[_providers(new, at)]
        for name in block.stocks.keys() | new.stocks.keys():
            mine, theirs = _rows(block, old, name), _rows(new, at, name)
            if mine.stop - mine.start != theirs.stop - theirs.start:
                return None
            if mine.stop == mine.start:
                continue
            stocks, other = block.stocks[name], new.stocks[name]
            moved = int(block.starts[old]) - int(new.starts[at])
            if not (
                np.array_equal(stocks.provider[mine] - moved, other.provider[theirs])
                and np.array_equal(stocks.limits[:, mine], other.limits[:, theirs])
                and np.array_equal(stocks.ratio[mine], other.ratio[theirs])
            ):
                return None
            if not np.array_equal(used[name][mine], other.used[theirs]):
                if used[name] is stocks.used:
                    used[name] = stocks.used.copy()
                used[name][mine] = other.used[theirs]
    return block.using(used, generation, version)


def _providers(block: Block, tree: int) -> slice:
    return slice(int(block.starts[tree]), int(block.starts[tree + 1]))


def _rows(block: Block, tree: int, name: str) -> slice:
    """Which rows of a class are this tree's."""
    if name not in block.stocks:
        return slice(0, 0)
    return slice(*block.stocks[name].rows(tree))


def _same_providers(block: Block, old: int, new: Block, at: int) -> bool:
    mine, theirs = _providers(block, old), _providers(new, at)
    return mine.stop - mine.start == theirs.stop - theirs.start and (
        np.array_equal(block.ids[mine], new.ids[theirs])
        and np.array_equal(block.names[mine], new.names[theirs])
        and np.array_equal(block.traits[mine], new.traits[theirs])
        and np.array_equal(block.aggregates[mine], new.aggregates[theirs])
        and np.array_equal(block.parent[mine] - mine.start, new.parent[theirs] - theirs.start)
    )
