"""Decides what placement is told about a host's devices: one child provider for each card. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

from kcloud_api.placement.inventory import Inventory, ProviderInventory
from kcloud_common.wire import DeviceState

MISSING = "missing"
"""State of a device that its host no longer reports, but of which something must be remembered."""
_NOT_FREE: Mapping[str, str] = {
    DeviceState.CLAIMED: "its host still keeps it for a server",
    DeviceState.ATTACHED: "its host says that a server has it",
    DeviceState.SANITISING: "its host has not cleaned it yet",
    DeviceState.QUARANTINED: "its host has quarantined it",
    DeviceState.MAINTENANCE: "its host still has it in maintenance",
    MISSING: "its host does not report it",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a slice: by its host's word, and by ours."""

    state: str = DeviceState.FREE
    claimed: bool = False
    """A living claim rests on it."""
    maintenance: bool = False
    quarantine: str = ""
    """Why an operator wants it out of use."""
    begun: int = 0
    """The newest lease that its host was seen to take up."""
    certified: int = 0
    """The newest lease after which it was certified."""
    fault: str = ""
    """Why the newest certificate was refused."""
    odd: str = ""
    """What its host says of it that can't be kept as it is said."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice as placement counts it."""

    name: str
    card: str
    resource_class: str
    traits: frozenset[str]
    standing: Standing


def held_back(standing: Standing) -> str:
    """Why a slice that nobody holds may not be handed out; empty when it may. What somebody holds is not held
    back: its unit is taken."""
    if standing.claimed:
        return ""
    if standing.quarantine:
        return f"quarantined by an operator: {standing.quarantine}"
    if standing.maintenance:
        return "an operator wants it in maintenance"
    if standing.state != DeviceState.FREE:
        return _NOT_FREE.get(standing.state, f"its host reports the state {standing.state!r}")
    if standing.odd:
        return f"its host reports it with odd values: {standing.odd}"
    if standing.begun > standing.certified:
        return standing.fault or "it was not certified to be clean since its last lease"
    return ""


def provider_id(host_id: UUID, card: str) -> UUID:
    """The same for the same card of the same host, however often it comes and goes."""
    return uuid5(host_id, card)


def device_providers(host_id: UUID, host_name: str, slices: Iterable[Slice]) -> tuple[ProviderInventory, ...]:
    """A provider for each card with a unit for each of its slices, by class. Units that may not be handed out
    are reserved. A missing slice counts as long as somebody holds it, unless the whole card is missing."""
    cards: dict[str, list[Slice]] = {}
    for each in slices:
        cards.setdefault(each.card, []).append(each)
    return tuple(
        ProviderInventory(
            id=provider_id(host_id, card),
            name=f"{host_name}_{card}",
            inventories=_inventories(members),
            # A claim may get any slice of a class: only what all of them have may be promised.
            traits=frozenset.intersection(*(each.traits for each in members)),
        )
        for card, members in ((card, _counted(members)) for card, members in cards.items())
        if any(each.standing.state != MISSING for each in members)
    )


def _counted(members: Iterable[Slice]) -> list[Slice]:
    """An odd one that nobody holds is left out whole: neither its class nor its traits are to be believed."""
    return [
        each
        for each in members
        if each.standing.claimed or not (each.standing.state == MISSING or each.standing.odd)
    ]


def _inventories(members: Iterable[Slice]) -> Mapping[str, Inventory]:
    totals: dict[str, list[bool]] = {}
    for each in members:
        totals.setdefault(each.resource_class, []).append(bool(held_back(each.standing)))
    return {name: Inventory(total=len(shut), reserved=sum(shut)) for name, shut in totals.items()}
