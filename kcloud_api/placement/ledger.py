"""Counts, for a request, how many hosts each constraint removes, and keeps the nearest misses. Pure.

The reason ledger: `hosts` = what all entries removed + `remaining`, and the hosts that remain are those that
have a candidate. However many hosts there are, at most `limit` of them are described.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from kcloud_api.placement.constraints import Constraint, plan
from kcloud_api.placement.judging import NearestMiss, miss
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.tree import Tree

MOST_MISSES = 100
MISSES = 10
"""Hosts that are described, at most and where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`removed` hosts met every constraint before this one, and not this one; `remaining` are left after."""

    constraint: Constraint
    removed: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """`entries`: every constraint of the request in the order of constraints.py. `nearest`: the hosts that
    come nearest to serving, the nearest first. `untried`: of those that remain, hosts that have the amounts,
    where nobody has looked for what else is wanted."""

    hosts: int
    entries: tuple[Entry, ...]
    nearest: tuple[NearestMiss, ...]
    untried: int = 0

    @property
    def remaining(self) -> int:
        return self.entries[-1].remaining if self.entries else max(0, self.hosts)

    @property
    def serving(self) -> int:
        """Hosts that are known to serve."""
        return self.remaining - self.untried

    @property
    def removing(self) -> tuple[Entry, ...]:
        """The entries that removed a host."""
        return tuple(entry for entry in self.entries if entry.removed)


UNKNOWN = Ledger(-1, (), ())
"""Of a request that could not be explained."""


def of_trees(trees: Iterable[Tree], request: ResourceRequest, *, limit: int = MISSES) -> Ledger:
    """Looks at each tree once, and keeps none."""
    removed: Counter[Constraint] = Counter()
    hosts = 0
    nearest: list[tuple[tuple[int, int], NearestMiss]] = []
    for hosts, tree in enumerate(trees, 1):
        found = miss(tree, request)
        if found is not None:
            removed[found.removed_by] += 1
            # The farthest of those kept is at the top: of two as near, the one that came later.
            item = ((-found.distance, -hosts), found)
            if len(nearest) < limit:
                heapq.heappush(nearest, item)
            elif limit:
                heapq.heappushpop(nearest, item)
    ordered = sorted(nearest, key=lambda item: item[0], reverse=True)
    return of_counts(hosts, removed, request, tuple(found for _, found in ordered))


def of_counts(
    hosts: int, removed: Counter[Constraint], request: ResourceRequest, nearest: tuple[NearestMiss, ...]
) -> Ledger:
    entries = []
    remaining = hosts
    for constraint in plan(request).constraints:
        remaining -= removed[constraint]
        entries.append(Entry(constraint, removed[constraint], remaining))
    return Ledger(hosts, tuple(entries), nearest)
