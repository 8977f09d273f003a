"""Keeps the providers of `same_subtree` groups within one subtree while slots are filled. Pure.

The providers of such groups must be one of them and others below it. While some are still to be chosen, what
is chosen has a deepest common ancestor; either that is one of the chosen, or a slot to come must be able to
take it or one above it.
"""

from typing import NamedTuple

from kcloud_api.placement.ground import Ground, Options, Path
from kcloud_api.placement.matching import can_all_be_matched
from kcloud_api.placement.slots import Plan, Slot


class Joint(NamedTuple):
    """What the chosen have in common: the path from the root to their deepest common ancestor; `is_chosen`:
    it is one of them."""

    path: Path
    is_chosen: bool


class Subtrees:
    def __init__(self, plan: Plan, ground: Ground, options: list[Options]) -> None:
        self._plan = plan
        self._options = options
        self._paths = ground.paths()
        self._parents = {above for path in self._paths for above in path[:-1]}
        self._next: list[Joint] = []
        self._joints: list[list[Joint]] = [[] for _ in range(plan.subtrees)]
        self._later = [self._still_possible(plan, options, number) for number in range(plan.subtrees)]

    def _still_possible(self, plan: Plan, options: list[Options], number: int) -> list[frozenset[int]]:
        """For each slot: which providers the slots after it, those of this subtree, can take."""
        found: list[frozenset[int]] = [frozenset()]
        for slot, places in zip(reversed(plan.slots[1:]), reversed(options[1:]), strict=True):
            here = (self._paths[at][-1] for at in places) if number in slot.subtrees else ()
            found.append(found[-1].union(here))
        return found[::-1]

    def can_be_served(self) -> bool:
        """Whether for each there is a provider with enough at and below it: an answer for the whole tree, and
        not as cheap as filling a slot."""
        return all(self._has_head(number) for number in range(len(self._joints)))

    def _has_head(self, number: int) -> bool:
        wanted = [
            (slot, places)
            for slot, places in zip(self._plan.slots, self._options, strict=True)
            if number in slot.subtrees
        ]
        for head in set().union(*(places for _, places in wanted)):
            above = self._paths[head]
            below = [{at for at in places if self._paths[at][: len(above)] == above} for _, places in wanted]
            if all(below) and (not wanted[0][0].isolated or can_all_be_matched(below)):
                return True
        return not wanted

    def may(self, slot: Slot, depth: int, at: int) -> bool:
        """Whether the slot can have this provider, as far as can be said now."""
        next_joints = []
        for number in slot.subtrees:
            joint = self._joined(number, at)
            if not joint.is_chosen and self._later[number][depth].isdisjoint(joint.path):
                return False
            next_joints.append(joint)
        self._next = next_joints
        return True

    def push(self, slot: Slot) -> None:
        """The slot has the provider that it was last said it may."""
        for number, joint in zip(slot.subtrees, self._next, strict=True):
            self._joints[number].append(joint)

    def pop(self, slot: Slot) -> None:
        for number in slot.subtrees:
            self._joints[number].pop()

    def key(self) -> tuple[Joint | None, ...]:
        """What of the choice so far matters for the rest."""
        return tuple(joints[-1] if joints else None for joints in self._joints)

    def kind(self, at: int) -> tuple[Path, int]:
        """Providers that lie alike: the same parent, nothing below; any other is like itself alone."""
        path = self._paths[at]
        return (path, at) if path[-1] in self._parents else (path[:-1], -1)

    def _joined(self, number: int, at: int) -> Joint:
        path = self._paths[at]
        if not self._joints[number]:
            return Joint(path, True)
        joint = self._joints[number][-1]
        common = min(len(joint.path), len(path))
        while joint.path[:common] != path[:common]:
            common -= 1
        if common == len(path):
            return Joint(path, True)
        return Joint(path[:common], joint.is_chosen and common == len(joint.path))
