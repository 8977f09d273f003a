"""Decides which of a host's devices a server gets, by how they hang together (device_tree.py). Pure.

Each policy has an objective: criteria in the order of their weight, the smaller value better. The choice is
the best of all possible ones, as an exhaustive search would find it, and always the same for the same host.

`pack`         NUMA nodes touched; switches touched; devices left free on those switches; left free on those
               nodes; the more of the same kind in use there the better.
`spread`       the numbers taken from each NUMA node, squared and summed: as many nodes as there are, evenly;
               the same over switches; the more left free on the touched nodes, then switches, the better.
`same-switch`  all below one switch, or not at all; devices left free below the lowest that has them all; then
               as `pack`.
`same-numa`    all on one NUMA node, or not at all; devices left free on it; then as `pack`.

Then, for each: the more bandwidth the links have together, and last the lower addresses. A device is free if
it could serve this request now. A switch is touched if a device below it is taken, at whatever depth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from kcloud_api.scheduler.device_search import Criteria, Kind, Search, is_tractable
from kcloud_api.scheduler.device_tree import Device, Level, tree_of

__all__ = ["Chosen", "Device", "Impossible", "Kind", "Policy", "choose", "is_tractable"]


class Policy(StrEnum):
    PACK = "pack"
    SPREAD = "spread"
    SAME_SWITCH = "same-switch"
    SAME_NUMA = "same-numa"

    @property
    def is_hard(self) -> bool:
        """A host that cannot do it does not get the server."""
        return self in WITHIN


WITHIN: Mapping[Policy, Level] = {Policy.SAME_SWITCH: Level.SWITCH, Policy.SAME_NUMA: Level.NODE}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Devices for each kind, in the order of the kinds; of one kind in the order of addresses."""

    devices: tuple[tuple[UUID, ...], ...]


@dataclass(frozen=True, slots=True)
class Impossible:
    """`within` is where the devices would have to be together; HOST: there are not enough in all."""

    within: Level
    needed: int
    free: tuple[int, ...]
    """How many of what is needed each place has free, the most first; places that have none are left out."""
    total: int
    """The most that one place could give if nobody else held any."""


def choose(
    devices: Sequence[Device],
    kinds: Sequence[Kind],
    policy: Policy = Policy.PACK,
    most_nodes: int | None = None,
) -> Chosen | Impossible:
    """Different devices for all kinds together. `devices` are all of the host, the taken ones too. They sit
    on no more than `most_nodes` NUMA nodes, not counting those that do not say on which one they are."""
    search = Search(tree_of(devices), tuple(kinds), _CRITERIA[policy], most_nodes)
    within = WITHIN.get(policy, Level.HOST)
    ways = [
        (search.standing(branch)[0] if policy.is_hard else 0, cost + search.above(branch))
        for branch in search.tables
        if branch.level is within and (cost := search.cheapest(branch)) is not None
    ]
    if ways:
        return Chosen(search.decoded(min(ways)[1]))
    possible = search.cheapest(search.tree) is not None
    return _impossible(search, within if possible else Level.HOST)


def _impossible(search: Search, within: Level) -> Impossible:
    places = tuple(search.tree.tops(within))
    return Impossible(
        within,
        needed=search.count,
        free=tuple(sorted(filter(None, map(search.most, places)), reverse=True)),
        total=max((sum(search.standing(place)) for place in places), default=0),
    )


def _pack(level: Level, taken: int, left: int, in_use: int) -> tuple[int, ...]:
    return (1, 0, 0, left, -in_use) if level is Level.NODE else (0, 1, left, 0, -in_use)


def _spread(level: Level, taken: int, left: int, _in_use: int) -> tuple[int, ...]:
    return (taken**2, 0, -left, 0, 0) if level is Level.NODE else (0, taken**2, 0, -left, 0)


_CRITERIA: Mapping[Policy, Criteria] = {
    Policy.PACK: _pack,
    Policy.SPREAD: _spread,
    Policy.SAME_SWITCH: _pack,
    Policy.SAME_NUMA: _pack,
}
