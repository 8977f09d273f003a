"""Builds a block from the rows of whole trees."""

from collections.abc import Sequence

import numpy as np

from kcloud_api.placement.snapshot.block import Block, Indices, Ints, Stocks, Texts
from kcloud_api.placement.snapshot.rows import ProviderRows, StockRows
from kcloud_api.placement.snapshot.words import Words


def build(providers: ProviderRows, stocks: StockRows, words: Words) -> Block:
    """Trees in the order of (created, id) of their roots. A provider whose parent is not among the rows
    counts as a root, so that no row can do harm."""
    by_age = np.lexsort((providers.ids, providers.created))
    ids = providers.ids[by_age]
    parent = _found_in(ids, providers.parents[by_age])
    parent = np.where(parent < 0, np.arange(len(ids)), parent)
    layout = _Layout(parent)
    rows = by_age[layout.order]
    is_root = layout.depth[layout.order] == 0
    starts = np.append(np.flatnonzero(is_root), len(ids))
    tree = np.cumsum(is_root, dtype=np.int64) - 1
    traits = [words.traits.number_of_text(text) for text in providers.traits]
    aggregates = [words.aggregates.number_of_text(text) for text in providers.aggregates]
    return Block(
        words=words,
        created=providers.created[rows[starts[:-1]]],
        version=words.versions(len(starts) - 1),
        starts=starts,
        tree=tree,
        parent=layout.place[parent[layout.order]],
        end=(np.arange(len(ids)) + layout.size[layout.order]),
        ids=providers.ids[rows],
        names=providers.names[rows],
        generation=providers.generations[rows],
        traits=np.array(traits, dtype=np.int64)[rows],
        aggregates=np.array(aggregates, dtype=np.int64)[rows],
        stocks=_stocks(stocks, providers.ids[rows], tree),
    )


class _Layout:
    """Where each provider stands, depth first. `parent` is in the order of age; a root is its own parent."""

    def __init__(self, parent: Ints) -> None:
        count = len(parent)
        self.depth = _depths(parent)
        self.size = np.ones(count, dtype=np.int64)
        levels = [np.flatnonzero(self.depth == depth) for depth in range(int(self.depth.max(initial=0)) + 1)]
        for level in reversed(levels[1:]):
            np.add.at(self.size, parent[level], self.size[level])
        self.place = np.zeros(count, dtype=np.int64)
        self.place[levels[0]] = np.cumsum(self.size[levels[0]]) - self.size[levels[0]]
        for level in levels[1:]:
            siblings = level[np.argsort(parent[level], kind="stable")]
            self.place[siblings] = self.place[parent[siblings]] + 1 + self._before(siblings, parent)
        self.order = np.empty(count, dtype=np.int64)
        self.order[self.place] = np.arange(count)

    def _before(self, siblings: Ints, parent: Ints) -> Ints:
        """How many providers are at and below each one's elder siblings."""
        before = np.cumsum(self.size[siblings]) - self.size[siblings]
        of = parent[siblings]
        is_first = np.append(True, of[1:] != of[:-1])
        result: Ints = before - np.maximum.accumulate(np.where(is_first, before, 0))
        return result


def _depths(parent: Ints) -> Ints:
    depth = np.zeros(len(parent), dtype=np.int64)
    at = np.arange(len(parent))
    # A ring of parents, which nothing writes, must not hang a reader.
    for _ in range(len(parent)):
        above = parent[at]
        moves = above != at
        if not moves.any():
            break
        depth += moves
        at = above
    return depth


def _found_in(ids: Texts, wanted: Texts) -> Ints:
    """Where each wanted id is, or -1."""
    order = np.argsort(ids)
    if not len(order):
        return np.full(len(wanted), -1)
    at = order[np.minimum(np.searchsorted(ids[order], wanted), len(ids) - 1)]
    return np.where(ids[at] == wanted, at, -1)


def _stocks(rows: StockRows, ids: Texts, tree: Indices) -> dict[str, Stocks]:
    provider = _found_in(ids, rows.providers)
    numbers = _numbered(rows.classes)
    of_class = np.array([numbers[name] for name in rows.classes], dtype=np.int64)
    found = {}
    for name, number in numbers.items():
        mine = np.flatnonzero((of_class == number) & (provider >= 0))
        mine = mine[np.argsort(provider[mine])]
        if len(mine):
            at = provider[mine]
            found[name] = Stocks(at, tree[at], rows.limits[:, mine], rows.ratios[mine], rows.used[mine])
    return found


def _numbered(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(set(names)))}
