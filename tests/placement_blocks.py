"""Makes blocks and snapshots of given trees, as if their rows had come from a database."""

from collections.abc import Iterable, Iterator, Sequence
from random import Random

import numpy as np

from kcloud_api.placement.snapshot.block import Block
from kcloud_api.placement.snapshot.build import build
from kcloud_api.placement.snapshot.change import cut
from kcloud_api.placement.snapshot.rows import ID, ProviderRows, StockRows
from kcloud_api.placement.snapshot.snapshot import Snapshot
from kcloud_api.placement.snapshot.trees import Memory
from kcloud_api.placement.snapshot.words import Words
from kcloud_api.placement.tree import Provider, Tree


def snapshot_of(trees: Sequence[Tree]) -> Snapshot:
    """The trees in the order given."""
    words = Words()
    return Snapshot(cut(block_of(enumerate(trees), words)), words, Memory())


def all_trees(snapshot: Snapshot) -> Iterator[Tree]:
    """Every tree, in order."""
    for block in snapshot.blocks:
        for index in range(block.trees):
            yield snapshot.tree_at(block, index)


def block_of(trees: Iterable[tuple[int, Tree]], words: Words, shuffle: Random | None = None) -> Block:
    """Each tree with its age, by which it stands; rows come in no order, as from a database."""
    rows = [
        (1000 * age + index, provider) for age, tree in trees for index, provider in enumerate(tree.providers)
    ]
    if shuffle is not None:
        shuffle.shuffle(rows)
    return build(_providers(rows), _stocks([provider for _, provider in rows]), words)


def _providers(rows: Sequence[tuple[int, Provider]]) -> ProviderRows:
    found = [provider for _, provider in rows]
    return ProviderRows(
        created=np.array([created for created, _ in rows], dtype=np.int64),
        ids=np.array([p.id.bytes for p in found], dtype=ID),
        parents=np.array([(p.parent_id or p.id).bytes for p in found], dtype=ID),
        names=np.array([p.name.encode() for p in found], dtype=np.bytes_),
        generations=np.array([p.generation for p in found], dtype=np.int64),
        traits=[",".join(p.traits) or None for p in found],
        aggregates=[",".join(map(str, p.aggregates)) or None for p in found],
    )


def _stocks(providers: Sequence[Provider]) -> StockRows:
    rows = [(p.id.bytes, name, stock) for p in providers for name, stock in p.stocks.items()]
    limits = [[s.total, s.reserved, s.min_unit, s.max_unit, s.step_size] for _, _, s in rows]
    return StockRows(
        providers=np.array([id_ for id_, _, _ in rows], dtype=ID),
        classes=[name for _, name, _ in rows],
        ratios=np.array([stock.allocation_ratio for _, _, stock in rows], dtype=np.float64),
        limits=np.array(limits, dtype=np.int64).reshape(-1, 5).T,
        used=np.array([stock.used for _, _, stock in rows], dtype=np.int64),
    )
