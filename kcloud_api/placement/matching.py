"""Decides whether each of several parties can have one of the things it would take, all different. Pure."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet


def can_all_be_matched(wanted: Sequence[AbstractSet[int]]) -> bool:
    """`wanted`: for each party what it would take. Grows a matching along alternating paths (Kuhn)."""
    if len(set().union(*wanted)) < len(wanted):
        return False
    owner: dict[int, int] = {}
    return all(_find(party, wanted, owner, set()) for party in range(len(wanted)))


def _find(party: int, wanted: Sequence[Collection[int]], owner: dict[int, int], tried: set[int]) -> bool:
    for thing in wanted[party]:
        if thing not in owner:
            owner[thing] = party
            return True
    for thing in wanted[party]:
        if thing not in tried:
            tried.add(thing)
            if _find(owner[thing], wanted, owner, tried):
                owner[thing] = party
                return True
    return False
