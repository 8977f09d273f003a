"""Takes a request apart into slots, each of which one provider must fill whole, once for all trees. Pure.

A suffixed group is one slot; the unsuffixed group has one for each of its classes, and its required traits
are asked of the providers of all of them together.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from kcloud_api.placement.request import UNSUFFIXED, Amounts, Group, ResourceRequest

Pairs = tuple[tuple[str, int], ...]
"""Classes with amounts."""


@dataclass(frozen=True, slots=True)
class Slot:
    suffix: str
    amounts: Pairs
    group: Group
    contended: Pairs
    """Of its amounts those of classes that other slots ask for too: only these can add up."""
    isolated: bool
    """Shares its provider with no other isolated slot."""
    subtrees: tuple[int, ...]
    """The places of its group in the request's `same_subtrees`."""
    like: int
    """The first slot that asks for the same: what can fill that one can fill this one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`slots`: the unsuffixed group's come first. `independent`: whatever fills one slot says nothing about
    the others, so that every combination serves."""

    slots: tuple[Slot, ...]
    spread: int
    """How many slots the unsuffixed group has."""
    together: tuple[frozenset[str], ...]
    """Traits that the providers of the unsuffixed group must have among them: of each set any one."""
    contended: tuple[tuple[str, tuple[int, ...]], ...]
    """Classes that several slots ask for, each with the amounts asked for, largest first."""
    isolated: bool
    flat: bool
    subtrees: int
    """How many `same_subtree` there are."""
    independent: bool


@lru_cache(maxsize=16)
def plan(request: ResourceRequest) -> Plan:
    """The same one for the same request."""
    asked = list(_amounts(request.groups))
    times = Counter(name for _, amounts in asked for name, _ in amounts)
    suffixed = sum(1 for suffix in request.groups if suffix != UNSUFFIXED)
    isolate = request.group_policy == "isolate" and suffixed > 1
    found: list[Slot] = []
    for suffix, amounts in asked:
        group = request.groups[suffix]
        found.append(
            Slot(
                suffix, amounts, group,
                contended=tuple(pair for pair in amounts if times[pair[0]] > 1),
                isolated=isolate and suffix != UNSUFFIXED,
                subtrees=tuple(at for at, one in enumerate(request.same_subtrees) if suffix in one),
                like=_first_like(found, suffix, amounts, group),
            )
        )  # fmt: skip
    unsuffixed = request.groups.get(UNSUFFIXED)
    spread = len(unsuffixed.resources) if unsuffixed else 0
    together = unsuffixed.required if unsuffixed else ()
    contended = tuple(
        (name, tuple(sorted((n for _, amounts in asked for c, n in amounts if c == name), reverse=True)))
        for name, count in times.items()
        if count > 1
    )
    free = not (contended or isolate or together or request.same_subtrees or request.flat)
    subtrees = len(request.same_subtrees)
    return Plan(tuple(found), spread, together, contended, isolate, request.flat, subtrees, free)


def _amounts(groups: Mapping[str, Group]) -> list[tuple[str, Pairs]]:
    unsuffixed: Amounts = groups[UNSUFFIXED].resources if UNSUFFIXED in groups else {}
    found: list[tuple[str, Pairs]] = [(UNSUFFIXED, (pair,)) for pair in sorted(unsuffixed.items())]
    # Those without resources first: they are what others must be below, and there are few of them.
    for suffix, group in sorted(groups.items(), key=lambda pair: bool(pair[1].resources)):
        if suffix != UNSUFFIXED:
            found.append((suffix, tuple(sorted(group.resources.items()))))
    return found


def _first_like(found: list[Slot], suffix: str, amounts: Pairs, group: Group) -> int:
    for at, slot in enumerate(found):
        alike = (slot.suffix == UNSUFFIXED) == (suffix == UNSUFFIXED) and slot.group == group
        if alike and slot.amounts == amounts:
            return at
    return len(found)
