"""Decides which of a host's devices serve a request that the host can serve, by the flavor's policy. Pure.

Placement finds one way; here the devices in it are exchanged for those that suit best. A device may take
the place of another if it can give all that the other gives and has the traits for which the other was taken.
What is no device of the host (processors, memory, what another tree shares) stays as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from kcloud_api.placement.capacity import Stock, misfit
from kcloud_api.placement.request import UNSUFFIXED
from kcloud_api.placement.slots import Slot
from kcloud_api.placement.tree import Provider
from kcloud_api.placement.ways import Way
from kcloud_api.scheduler.topology import Device, Impossible, Kind, Policy, choose, is_tractable


@dataclass(frozen=True, slots=True)
class Sites:
    """The devices of one host by where they sit; `open` are those that may be handed out."""

    devices: tuple[Device, ...]
    open: frozenset[UUID]


def has_choice(way: Way) -> bool:
    """Whether anything is taken but what the host itself has."""
    return any(provider.id != way.tree.root.id for provider in way.providers)


def choose_devices(way: Way, sites: Sites, policy: Policy, most_nodes: int | None = None) -> Way | Impossible:
    """The way with the best devices. Impossible only of a policy that is hard, and of a guest that has room
    for devices of `most_nodes` NUMA nodes: a preference never refuses.

    For groups as a flavor asks for them: amounts and traits. Of more kinds of devices together than can be
    weighed soon, those that placement found are taken or refused as they are.
    """
    givers = _givers(way, frozenset(device.id for device in sites.devices))
    able: dict[object, Able] = {}
    by_kind: dict[Able, list[UUID]] = {}
    for giver in givers:
        if giver.demand not in able:
            able[giver.demand] = _able(giver, way, sites)
        by_kind.setdefault(able[giver.demand], []).append(giver.provider.id)
    kinds = tuple(Kind(len(alike), free, suited) for (free, suited), alike in by_kind.items())
    if not kinds:
        return way
    searched = is_tractable([kind.count for kind in kinds])
    if not searched:
        as_found = frozenset(giver.provider.id for giver in givers)
        kinds = (Kind(len(as_found), as_found, as_found),)
    found = choose(sites.devices, kinds, policy, most_nodes)
    if isinstance(found, Impossible):
        return found if policy.is_hard or most_nodes is not None else way
    if not searched:
        return way
    exchange = dict(zip(_chained(by_kind.values()), _chained(found.devices), strict=True))
    providers = {provider.id: provider for provider in way.tree.providers}
    taken = (providers[exchange[p.id]] if p.id in exchange else p for p in way.providers)
    return way._replace(providers=tuple(taken))


Able = tuple[frozenset[UUID], frozenset[UUID]]
"""The devices that can give something now, and those that could if nobody held them."""


@dataclass(frozen=True, slots=True)
class _Giver:
    """A device as it stands in the way, with the slots that it fills."""

    provider: Provider
    slots: tuple[Slot, ...]

    @property
    def demand(self) -> object:
        """Equal for givers that the same devices can replace: equal groups make likes, and the unsuffixed one
        also cares which traits it had."""
        spread = any(slot.suffix == UNSUFFIXED for slot in self.slots)
        return (tuple(slot.like for slot in self.slots), self.provider.traits if spread else None)

    def totals(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for slot in self.slots:
            for name, amount in slot.amounts:
                sums[name] = sums.get(name, 0) + amount
        return sums


def _givers(way: Way, devices: frozenset[UUID]) -> list[_Giver]:
    """In the order of the groups that they serve: 1, 2, 10."""
    filled: dict[UUID, list[Slot]] = {}
    for slot, provider in zip(way.slots, way.providers, strict=True):
        if provider.id in devices:
            filled.setdefault(provider.id, []).append(slot)
    providers = {provider.id: provider for provider in way.providers}
    givers = [_Giver(providers[id_], tuple(slots)) for id_, slots in filled.items()]
    return sorted(givers, key=lambda giver: min((len(slot.suffix), slot.suffix) for slot in giver.slots))


def _able(giver: _Giver, way: Way, sites: Sites) -> Able:
    """What can take its place."""
    ours = frozenset(device.id for device in sites.devices)
    free, suited = set(), set()
    for provider in way.tree.providers:
        if provider.id not in ours or not _suits(provider, giver):
            continue
        if _gives(provider.stocks, giver):
            suited.add(provider.id)
            if provider.id in sites.open:
                free.add(provider.id)
        elif _gives({name: replace(stock, used=0) for name, stock in provider.stocks.items()}, giver):
            suited.add(provider.id)
    return frozenset(free), frozenset(suited)


def _suits(provider: Provider, giver: _Giver) -> bool:
    """By its traits."""
    return all(_meets(provider.traits, slot, giver.provider.traits) for slot in giver.slots)


def _meets(traits: frozenset[str], slot: Slot, before: frozenset[str]) -> bool:
    """Of the unsuffixed group, whose traits its providers have together: those that the one before has."""
    asked = slot.group.required
    if slot.suffix == UNSUFFIXED:
        asked = tuple(any_of for any_of in asked if any_of & before)
    return slot.group.forbidden.isdisjoint(traits) and all(any_of & traits for any_of in asked)


def _gives(stocks: Mapping[str, Stock], giver: _Giver) -> bool:
    if any(name not in stocks or stocks[name].free < total for name, total in giver.totals().items()):
        return False
    return all(misfit(stocks[name], amount) is None for slot in giver.slots for name, amount in slot.amounts)


def _chained(lists: Iterable[Sequence[UUID]]) -> tuple[UUID, ...]:
    return tuple(id_ for each in lists for id_ in each)
