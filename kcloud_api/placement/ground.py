"""Finds which providers can fill which slot of a request on one tree, each slot by itself. Pure."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TypeVar, cast
from uuid import UUID

from kcloud_api.placement.request import UNSUFFIXED, Group, ResourceRequest
from kcloud_api.placement.slots import Pairs, Plan, Slot
from kcloud_api.placement.tree import Provider, Tree, lenders

Options = tuple[int, ...]
"""Places of providers in `Ground.providers`."""
Path = tuple[int, ...]
T = TypeVar("T")


class Ground:
    """A tree's own providers and, after them, those of other trees that share with it."""

    __slots__ = ("own", "providers", "tree")

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.own = len(tree.providers)
        self.providers: tuple[Provider, ...] = tree.providers
        if tree.sharing:
            self.providers += lenders(tree)

    def options(self, plan: Plan) -> list[Options] | None:
        """By slot, in the order of providers; None as soon as there is a slot that nobody can fill."""
        found: list[Options] = []
        for at, slot in enumerate(plan.slots):
            fitting = found[slot.like] if slot.like < at else self._fitting(slot)
            if not fitting:
                return None
            found.append(fitting)
        return found

    def _fitting(self, slot: Slot) -> Options:
        group = slot.group
        fitting = [at for at in self._places(slot) if has_amounts(self.providers[at], slot.amounts)]
        if group.in_tree is not None:
            in_tree = self._places_in_tree(slot.suffix, group.in_tree)
            fitting = [at for at in fitting if at in in_tree]
        if group.forbidden:
            fitting = [at for at in fitting if group.forbidden.isdisjoint(self.providers[at].traits)]
        if slot.suffix == UNSUFFIXED:
            return tuple(at for at in fitting if self._is_in_aggregates(at, group))
        if group.required:
            fitting = [at for at in fitting if has_traits(self.providers[at].traits, group.required)]
        if group.member_of or group.not_member_of:
            fitting = [at for at in fitting if is_member(self.providers[at], group)]
        return tuple(fitting)

    def _places(self, slot: Slot) -> Iterable[int]:
        """Those worth a look."""
        if not slot.amounts:
            return range(len(self.providers))
        stocked = _noted(self.tree, "stocked", _stocked).get(slot.amounts[0][0], ())
        return chain(stocked, range(self.own, len(self.providers)))

    def _places_in_tree(self, suffix: str, provider_id: UUID) -> Sequence[int]:
        """Those that are in the tree of this provider. The unsuffixed group then takes from the tree that it
        is in alone, and nothing that is shared with it."""
        if any(provider.id == provider_id for provider in self.tree.providers):
            return range(self.own)
        if suffix == UNSUFFIXED:
            return ()
        for other in self.tree.sharing:
            if any(provider.id == provider_id for provider in other.providers):
                members = {provider.id for provider in other.providers}
                return [at for at in range(self.own, len(self.providers)) if self.providers[at].id in members]
        return ()

    def _is_in_aggregates(self, at: int, group: Group) -> bool:
        """Of the unsuffixed group: the root's aggregates span its whole tree, but a provider of another tree
        must itself be where members are asked for."""
        if not (group.member_of or group.not_member_of):
            return True
        root = self.tree.providers[0]
        if not group.not_member_of.isdisjoint(self.providers[at].aggregates | root.aggregates):
            return False
        return in_all(self.providers[at].aggregates, group.member_of) or (
            at < self.own and in_all(root.aggregates, group.member_of)
        )

    def paths(self) -> list[Path]:
        """Of each provider: the numbers of its root, ..., its parent, itself."""
        found = list(_paths(self.tree))
        known: dict[UUID, Path] = {}
        first = self.own
        for other in self.tree.sharing:
            known |= {
                provider.id: tuple(first + at for at in path)
                for provider, path in zip(other.providers, _paths(other), strict=True)
            }
            first += len(other.providers)
        return found + [known[provider.id] for provider in self.providers[self.own :]]

    def roots(self) -> list[int]:
        """Of each provider the number of its root: equal in one tree."""
        return [path[0] for path in self.paths()]


def _paths(tree: Tree) -> list[Path]:
    return _noted(tree, "paths", _make_paths)


def _make_paths(tree: Tree) -> list[Path]:
    known: dict[UUID, Path] = {}
    for at, provider in enumerate(tree.providers):
        above = known[provider.parent_id] if provider.parent_id is not None else ()
        known[provider.id] = (*above, at)
    return list(known.values())


def _stocked(tree: Tree) -> dict[str, list[int]]:
    """By class the places of providers that have any of it."""
    found: dict[str, list[int]] = {}
    for at, provider in enumerate(tree.providers):
        for name in provider.stocks:
            found.setdefault(name, []).append(at)
    return found


def _noted(tree: Tree, name: str, make: Callable[[Tree], T]) -> T:
    """Made once for as long as the tree is kept."""
    key = (__name__, name)
    found = tree.notes.get(key)
    if found is None:
        found = tree.notes[key] = make(tree)
    return cast(T, found)


def admits(tree: Tree, request: ResourceRequest) -> bool:
    """Whether the root's traits let any request in."""
    traits = tree.root.traits
    return request.root_required <= traits and request.root_forbidden.isdisjoint(traits)


def has_amounts(provider: Provider, amounts: Pairs) -> bool:
    for name, amount in amounts:
        stock = provider.stocks.get(name)
        if stock is None or not stock.takes(amount):
            return False
    return True


def has_traits(traits: frozenset[str], required: tuple[frozenset[str], ...]) -> bool:
    return all(not any_of.isdisjoint(traits) for any_of in required)


def in_all(aggregates: frozenset[UUID], member_of: tuple[frozenset[UUID], ...]) -> bool:
    return all(not any_of.isdisjoint(aggregates) for any_of in member_of)


def is_member(provider: Provider, group: Group) -> bool:
    """Of a suffixed group: the provider itself."""
    return in_all(provider.aggregates, group.member_of) and group.not_member_of.isdisjoint(
        provider.aggregates
    )
