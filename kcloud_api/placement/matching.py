"""Decides whether each of several parties can have one of the things it would take, all different. Pure."""

from collections import deque
from collections.abc import Sequence
from collections.abc import Set as AbstractSet


def can_all_be_matched(wanted: Sequence[AbstractSet[int]]) -> bool:
    """`wanted`: for each party what it would take. Grows a matching along alternating paths (Kuhn)."""
    if len(set().union(*wanted)) < len(wanted):
        return False
    owner: dict[int, int] = {}
    return all(_settle(party, wanted, owner) for party in range(len(wanted)))


def _settle(newcomer: int, wanted: Sequence[AbstractSet[int]], owner: dict[int, int]) -> bool:
    """Give the newcomer something; if all that it would take is taken, let owners move on to other things."""
    taker: dict[int, int] = {}
    """Of each thing looked at, who would take it."""
    had: dict[int, int] = {}
    """Of each party but the newcomer, what it would give up."""
    waiting = deque([newcomer])
    while waiting:
        party = waiting.popleft()
        for thing in wanted[party]:
            if thing in taker:
                continue
            taker[thing] = party
            if thing in owner:
                had[owner[thing]] = thing
                waiting.append(owner[thing])
                continue
            # Free: everybody along the path moves up by one.
            while True:
                owner[thing] = taker[thing]
                if taker[thing] == newcomer:
                    return True
                thing = had[taker[thing]]
    return False
