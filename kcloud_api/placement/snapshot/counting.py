"""Makes the reason ledger of all trees at once: says the same as `ledger.of_trees`, without making the trees.

Most hosts are judged in columns (walking.py). Those that meet every constraint on single groups differ little
in what groups ask for together: each kind of them is judged once, on one tree (kinds.py).
"""

from collections import Counter
from collections.abc import Iterator
from heapq import nsmallest
from typing import NamedTuple

import numpy as np

from kcloud_api.placement.constraints import plan
from kcloud_api.placement.judging import WEIGHTS, NearestMiss, failures, miss, unmet_together
from kcloud_api.placement.judging import distance as distance_of
from kcloud_api.placement.ledger import MISSES, Ledger, of_counts
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.block import Block, Ints
from kcloud_api.placement.snapshot.kinds import Kinds
from kcloud_api.placement.snapshot.snapshot import Snapshot
from kcloud_api.placement.snapshot.walking import MET, Walk


class _Missed(NamedTuple):
    """Sorts the nearest first, and of two as near the one that comes first."""

    distance: int
    block: int
    tree: int


def count(snapshot: Snapshot, request: ResourceRequest, *, limit: int = MISSES) -> Ledger:
    """`limit`: how many hosts are described, at most."""
    constraints = plan(request).constraints
    kinds = Kinds(request)
    removed = np.zeros(len(constraints), dtype=np.int64)
    nearest: list[_Missed] = []
    for number, block in enumerate(snapshot.blocks):
        rank, distance = _judged(snapshot, block, request, kinds)
        gone = np.flatnonzero(rank != MET)
        removed += np.bincount(rank[gone], minlength=len(constraints))
        first = gone[np.argsort(distance[gone], kind="stable")[:limit]]
        nearest += [_Missed(int(distance[index]), number, int(index)) for index in first]
    counted = Counter({name: int(number) for name, number in zip(constraints, removed, strict=True)})
    chosen = nsmallest(limit, nearest)
    described = tuple(_described(snapshot, request, chosen))
    return of_counts(snapshot.trees, counted, request, described)


def _judged(snapshot: Snapshot, block: Block, request: ResourceRequest, kinds: Kinds) -> tuple[Ints, Ints]:
    """Of each tree: the rank of the constraint that removes it, or MET; and how far it is from serving."""
    walk = Walk(block, request)
    rank, distance = walk.rank, walk.distance
    if snapshot.lending.every:
        _judge_borrowers(snapshot, block, request, rank, distance)
    elif not kinds.all_serve:
        ranks = plan(request).ranks
        survivors = np.flatnonzero(rank == MET)
        for index, kind in kinds.of(walk, survivors):
            if kind not in kinds.known:
                kinds.known[kind] = unmet_together(snapshot.tree_at(block, index), request)
            removed_by = kinds.known[kind]
            if removed_by is not None:
                rank[index], distance[index] = ranks[removed_by], 1000 * WEIGHTS[removed_by.code]
    return rank, distance


def _judge_borrowers(
    snapshot: Snapshot, block: Block, request: ResourceRequest, rank: Ints, distance: Ints
) -> None:
    """Where providers share with other trees, each tree is looked at: what it may borrow is nowhere in it."""
    ranks = plan(request).ranks
    for index in range(block.trees):
        found = failures(snapshot.tree_at(block, index), request)
        rank[index] = ranks[found[0].constraint] if found else MET
        distance[index] = distance_of(found)


def _described(snapshot: Snapshot, request: ResourceRequest, chosen: list[_Missed]) -> Iterator[NearestMiss]:
    for _, number, index in chosen:
        found = miss(snapshot.tree_at(snapshot.blocks[number], index), request)
        if found is not None:
            yield found
