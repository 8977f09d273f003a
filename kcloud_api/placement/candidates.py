"""Decides how a request fits one host's provider tree, or says why it does not. Pure.

The rules are the Placement API's: each class of the unsuffixed group comes whole from one provider, and the
group may be spread over the tree, its traits being those of the providers used together; a suffixed group
comes whole from one provider that has all its traits. Forbidden traits hold for every provider used.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from kcloud_api.placement.capacity import misfit
from kcloud_api.placement.request import UNSUFFIXED, Amounts, Group, ResourceRequest
from kcloud_api.placement.tree import Provider, Tree

ORDERS: dict[str, int] = {"spread": -1, "pack": 1}
"""How hosts are ordered by what is free of the request's classes, the rarest class first, then by id:
`spread` takes the host with the most free, so that load is even; `pack` the one with the least, so that
whole hosts stay empty. The value is the sign of `free` in the sort key."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to satisfy a request on one host; `generations` are those that were read."""

    host_id: UUID
    allocations: Mapping[UUID, Amounts]
    generations: Mapping[UUID, int]
    mappings: Mapping[str, tuple[UUID, ...]] = field(default_factory=dict)
    """Which providers serve each group, by suffix."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one host cannot take a request. `code` is stable; scheduler/reasons.py has the words."""

    host_id: UUID
    host: str
    code: str
    resource_class: str = ""
    needed: int = 0
    free: int = 0
    total: int = 0
    trait: str = ""


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """`refusals` name every host that was looked at and refused: all hosts when there is no candidate."""

    candidates: tuple[Candidate, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class _Slot:
    """What one provider must give: a suffixed group, or one class of the unsuffixed group."""

    suffix: str
    amounts: tuple[tuple[str, int], ...]
    group: Group = field(hash=False)

    def fits(self, provider: Provider) -> bool:
        return self.suits(provider) and all(
            name in provider.stocks and misfit(provider.stocks[name], amount) is None
            for name, amount in self.amounts
        )

    def suits(self, provider: Provider) -> bool:
        """By its traits alone."""
        if not self.group.forbidden.isdisjoint(provider.traits):
            return False
        return self.suffix == UNSUFFIXED or has_all(provider.traits, self.group)

    @property
    def need(self) -> object:
        """Slots with the same need may swap their providers."""
        return (self.suffix == UNSUFFIXED, self.amounts, self.group.required, self.group.forbidden)


@lru_cache(maxsize=16)
def slots(request: ResourceRequest) -> tuple[_Slot, ...]:
    """Unsuffixed classes first, then suffixed groups, those with the same need beside each other."""
    found: list[_Slot] = []
    for suffix, group in request.groups.items():
        if suffix == UNSUFFIXED:
            found += [_Slot(suffix, (pair,), group) for pair in sorted(group.resources.items())]
        else:
            found.append(_Slot(suffix, tuple(sorted(group.resources.items())), group))
    return tuple(sorted(found, key=lambda slot: (slot.suffix != UNSUFFIXED, repr(slot.need), slot.suffix)))


def has_all(traits: frozenset[str], group: Group) -> bool:
    """Whether these traits meet what the group requires."""
    return all(not any_of.isdisjoint(traits) for any_of in group.required)


def admits(tree: Tree, request: ResourceRequest) -> bool:
    """Whether the root's traits let any server in."""
    traits = tree.root.traits
    return request.root_required <= traits and not request.root_forbidden & traits


def _has_enough(tree: Tree, request: ResourceRequest) -> bool:
    """Cheap, and true of most hosts that serve; the search is not."""
    return all(tree.free(name) >= amount for name, amount in request.totals().items())


def ways(tree: Tree, request: ResourceRequest, *, distinct: bool = True) -> Iterator[Candidate]:
    """Every way to serve the request from this tree, lazily and in a stable order.

    With `distinct`, ways that differ only in which of several like providers serves what are given once:
    eight equal devices make one candidate, not eight, and a tree that cannot serve is found out soon.
    """
    if not admits(tree, request) or not _has_enough(tree, request):
        return
    wanted = slots(request)
    if not distinct and next(_search(tree, wanted, request, [], distinct=True), None) is None:
        return
    for picks in _search(tree, wanted, request, [], distinct=distinct):
        yield _candidate(tree, picks)


def _search(
    tree: Tree,
    wanted: tuple[_Slot, ...],
    request: ResourceRequest,
    chosen: list[tuple[_Slot, int]],
    *,
    distinct: bool,
) -> Iterator[tuple[tuple[_Slot, Provider], ...]]:
    if len(chosen) == len(wanted):
        picks = tuple((slot, tree.providers[index]) for slot, index in chosen)
        unsuffixed = request.groups.get(UNSUFFIXED)
        if unsuffixed is None or has_all(_unsuffixed_traits(picks), unsuffixed):
            yield picks
        return
    slot = wanted[len(chosen)]
    seen: set[object] = set()
    for index in range(_first_index(slot, chosen) if distinct else 0, len(tree.providers)):
        provider = tree.providers[index]
        if not slot.fits(provider) or not _leaves_room(slot, index, provider, chosen, request):
            continue
        if distinct:
            kind = _kind(provider, index, chosen)
            if kind in seen:
                continue
            seen.add(kind)
        chosen.append((slot, index))
        yield from _search(tree, wanted, request, chosen, distinct=distinct)
        chosen.pop()


def _first_index(slot: _Slot, chosen: list[tuple[_Slot, int]]) -> int:
    """Slots of the same need take providers in order, or each set would come in every permutation."""
    if chosen and slot.suffix != UNSUFFIXED and chosen[-1][0].need == slot.need:
        return chosen[-1][1]
    return 0


def _leaves_room(
    slot: _Slot,
    index: int,
    provider: Provider,
    chosen: list[tuple[_Slot, int]],
    request: ResourceRequest,
) -> bool:
    """What the request already takes from this provider leaves enough, and isolation is kept."""
    mine = [other for other, at in chosen if at == index]
    isolated = request.group_policy == "isolate" and slot.suffix != UNSUFFIXED
    if isolated and any(other.suffix != UNSUFFIXED for other in mine):
        return False
    for name, amount in slot.amounts:
        stock = provider.stocks[name]
        sum_here = amount + sum(dict(other.amounts).get(name, 0) for other in mine)
        if sum_here > min(stock.free, stock.max_unit):
            return False
    return True


def _kind(provider: Provider, index: int, chosen: list[tuple[_Slot, int]]) -> object:
    """Equal for providers that are interchangeable in what is left of the search."""
    stocks = frozenset(provider.stocks.items())
    return (stocks, provider.traits, tuple(slot for slot, at in chosen if at == index))


def _unsuffixed_traits(picks: tuple[tuple[_Slot, Provider], ...]) -> frozenset[str]:
    used = (provider.traits for slot, provider in picks if slot.suffix == UNSUFFIXED)
    return frozenset().union(*used)


def _candidate(tree: Tree, picks: tuple[tuple[_Slot, Provider], ...]) -> Candidate:
    allocations: dict[UUID, dict[str, int]] = {}
    mappings: dict[str, tuple[UUID, ...]] = {}
    for slot, provider in picks:
        amounts = allocations.setdefault(provider.id, {})
        for name, amount in slot.amounts:
            amounts[name] = amounts.get(name, 0) + amount
        served_by = mappings.get(slot.suffix, ())
        if provider.id not in served_by:
            mappings[slot.suffix] = (*served_by, provider.id)
    generations = {p.id: p.generation for p in tree.providers if p.id in allocations}
    return Candidate(tree.root.id, allocations, generations, mappings)
