"""Finds every way in which one tree, with what is shared with it, can serve a request, lazily. Pure.

The rules are the Placement API's. Ways are told apart by who fills which slot, which is what a client sees:
what each provider gives, and which providers serve each group. They come in the order of slots and providers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple
from uuid import UUID

from kcloud_api.placement.ground import Ground, Options, admits
from kcloud_api.placement.request import Amounts, ResourceRequest
from kcloud_api.placement.search import search
from kcloud_api.placement.slots import Slot, plan
from kcloud_api.placement.tree import SHARES, Provider, Tree

Shuffle = Callable[[Options], Options]
"""Brings options into another order."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to satisfy a request on one host; `generations` are those that were read."""

    host_id: UUID
    allocations: Mapping[UUID, Amounts]
    generations: Mapping[UUID, int]
    mappings: Mapping[str, tuple[UUID, ...]] = field(default_factory=dict)
    """Which providers serve each group, by suffix."""


class Way(NamedTuple):
    """`providers[i]` fills `slots[i]`. Thousands are made for one answer: it keeps little, and works out what
    is asked of it."""

    tree: Tree
    slots: tuple[Slot, ...]
    providers: tuple[Provider, ...]

    def allocations(self) -> dict[UUID, dict[str, int]]:
        """What each provider gives; one that only meets conditions gives nothing, and is not named."""
        taken: dict[UUID, dict[str, int]] = {}
        for slot, provider in zip(self.slots, self.providers, strict=True):
            for name, amount in slot.amounts:
                amounts = taken.setdefault(provider.id, {})
                amounts[name] = amounts.get(name, 0) + amount
        return taken

    def mappings(self) -> dict[str, list[UUID]]:
        """Which providers serve each group."""
        served: dict[str, list[UUID]] = {}
        for slot, provider in zip(self.slots, self.providers, strict=True):
            by = served.setdefault(slot.suffix, [])
            if provider.id not in by:
                by.append(provider.id)
        return served

    def candidate(self) -> Candidate:
        return Candidate(
            self.tree.root.id,
            self.allocations(),
            {provider.id: provider.generation for provider in self.providers},
            {suffix: tuple(by) for suffix, by in self.mappings().items()},
        )


def ways(tree: Tree, request: ResourceRequest, *, shuffle: Shuffle | None = None) -> Iterator[Way]:
    """Each way once. With `shuffle` in an order that it makes."""
    if not admits(tree, request):
        return
    planned = plan(request)
    ground = Ground(tree)
    options = ground.options(planned)
    if options is None:
        return
    if shuffle is not None:
        options = [shuffle(each) for each in options]
    found = product(*options) if planned.independent else search(planned, ground, options, request.effort)
    for places in found:
        yield Way(tree, planned.slots, tuple([ground.providers[at] for at in places]))


def all_ways(
    trees: Iterable[Tree], request: ResourceRequest, *, shuffle: Shuffle | None = None
) -> Iterator[Way]:
    """The ways of all trees. One that takes only from providers that share may be found on every tree that
    they share with; it comes once."""
    seen: set[tuple[UUID, ...]] = set()
    for tree in trees:
        lends = bool(tree.sharing) or any(SHARES in provider.traits for provider in tree.providers)
        for way in ways(tree, request, shuffle=shuffle):
            if lends and all(SHARES in provider.traits for provider in way.providers):
                key = tuple(provider.id for provider in way.providers)
                if key in seen:
                    continue
                seen.add(key)
            yield way
