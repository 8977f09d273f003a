"""What this host has for guests, from one look: cards, how each is cut, what the layout wants of each."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from kcloud_compute.device_record import DeviceRecord
from kcloud_compute.guest_shape import FunctionFacts, HostShape
from kcloud_compute.host_shape import read_shape
from vfio.catalogue import Catalogue
from vfio.catalogue_host import host_resources
from vfio.catalogue_pim import HostResource
from vfio.device import Link, Snapshot
from vfio.health import Reading
from vfio.health_reading import read
from vfio.layout import TRIED, CardNow, Decision, described, drift, plan_layout, wanted
from vfio.lifecycle import State
from vfio.offer import Refusal
from vfio.rules import KNOWN, OfferRule
from vfio.slices.cards import cards
from vfio.slices.model import Ability, Card, CardLayout, Plan, Sight, Slice
from vfio.slices.occupancy import Hindrance
from vfio.slices.offering import refusals
from vfio.slices.slicer import Slicer
from vfio.sysfs import Sysfs

UNCLEAN = {
    State.QUARANTINED: "quarantined, which `kcloud device release` ends when it passes a burn-in",
    State.SANITISING: "sanitising, which ends by itself",
}
"""What a card is not cut anew under: its dirt would be spread to other slices. What lasts comes first."""
NOTHING = Sight(Snapshot({}, {}), {}, {}, {})


@dataclass(frozen=True, slots=True)
class Looking:
    """What is looked at, and by which rules."""

    sysfs: Sysfs
    slicer: Slicer
    rules: tuple[OfferRule, ...]
    catalogue: Catalogue
    upmem_ranks: int = 0
    """That an operator says are there, where the kernel shows none."""
    accepted: Mapping[str, Link] = field(default_factory=dict)
    """Links with which an operator is content, by the function's address (vfio.accepted_link)."""
    kernel_log: Callable[[], str] = lambda: ""
    """Its lines that somebody judges, oldest first."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known besides: how cards shall be cut, what the ledger says of devices, and which plans a
    card's kernel has refused, with why."""

    layout: tuple[CardLayout, ...] = ()
    records: Mapping[str, DeviceRecord] = field(default_factory=dict)
    refused: Mapping[str, tuple[Plan, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inventory:
    """One look, judged."""

    sight: Sight = NOTHING
    slices: Mapping[str, Slice] = field(default_factory=dict)
    """By name, in the order of their cards."""
    decisions: tuple[Decision, ...] = ()
    """One for each card."""
    waiting: frozenset[str] = frozenset()
    """Names of cards that only leases keep from being cut: these end, and nobody has to see to it."""
    abilities: Mapping[str, tuple[Ability, ...]] = field(default_factory=dict)
    """Of each card, by its name."""
    known: frozenset[str] = frozenset()
    """Names of the cards that the catalogue knows for accelerators."""
    refusals: tuple[Refusal, ...] = ()
    resources: tuple[HostResource, ...] = ()
    """What there is besides cards, as counts: no guest can have it."""
    health: Mapping[str, Reading] = field(default_factory=dict)
    """Of each card, by its name."""
    well: Mapping[str, Reading] = field(default_factory=dict)
    """The same when they were well: counters and logs are judged by what came since."""
    serials: Mapping[str, str] = field(default_factory=dict)
    """Of cards that say one, by name."""
    accepted: Mapping[str, Link] = field(default_factory=dict)
    """As Looking has it."""
    shape: HostShape = field(default_factory=HostShape)
    functions: Mapping[str, FunctionFacts] = field(default_factory=dict)
    """Of every function that a guest may get, by address: what decides the guest's shape."""

    def cards(self) -> Mapping[str, Card]:
        return {decision.card.name: decision.card for decision in self.decisions}

    @property
    def unsettled(self) -> Mapping[str, str]:
        """Cards whose slices get no new guests, and why."""
        return {
            decision.card.name: decision.drift or "the card is being cut as its layout says"
            for decision in self.decisions
            if not decision.settled
        }

    @property
    def to_cut(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.decisions if decision.act)


def take_inventory(looking: Looking, known: Known) -> Inventory:
    """Raises vfio's SysfsError when the host may not be read."""
    slicer, sight = looking.slicer, looking.slicer.look()
    found = cards(sight.snapshot, looking.rules, looking.catalogue)
    slices = {card.name: slicer.slices(card, sight) for card in found}
    now = [_now(slicer, card, sight) for card in found]
    met = {each.card.name: _hindrance(looking, known, each, slices[each.card.name], sight) for each in now}
    busy = {name: each for name, each in met.items() if each is not None}
    decisions = plan_layout(
        now, known.layout, {name: each.why for name, each in busy.items()}, looking.catalogue
    )
    kernel_log = looking.kernel_log()
    health = {card.name: read(looking.sysfs, card.address, kernel_log) for card in found}
    refused = refusals(found, looking.rules, sight.snapshot, sight.used)
    cut = {address for each in now if each.plan.cuts for address in _of_card(each.card, sight)}
    return Inventory(
        sight=sight,
        slices={each.name: each for card in found for each in slices[card.name]},
        decisions=tuple(_remembering(decision, known.refused) for decision in decisions),
        waiting=frozenset(name for name, each in busy.items() if each.ends),
        abilities={each.card.name: each.abilities for each in now},
        known=frozenset(card.name for card in found if KNOWN.fits(card.device, looking.catalogue)),
        refusals=tuple(each for each in refused if not cut.intersection(each.addresses)),
        resources=host_resources(looking.sysfs, upmem_declared=looking.upmem_ranks),
        health=health,
        serials={name: reading.serial for name, reading in health.items() if reading.serial},
        accepted=looking.accepted,
        shape=read_shape(looking.sysfs),
        functions=_facts(sight, slices.values()),
    )


def keep_claimed(
    inventory: Inventory, claimed: Collection[str], plan_of: Callable[[Card], Plan]
) -> Inventory:
    """Without cuts that would take slices away from servers that are still to get them. `claimed`: names."""
    cards = {inventory.slices[name].card for name in claimed if name in inventory.slices}
    kept = tuple(_kept(each, cards, plan_of) for each in inventory.decisions)
    waiting = {each.card.name for each, was in zip(kept, inventory.decisions, strict=True) if each is not was}
    return replace(inventory, decisions=kept, waiting=inventory.waiting | waiting)


def _kept(decision: Decision, cards: Collection[str], plan_of: Callable[[Card], Plan]) -> Decision:
    card, plan = decision.card, decision.plan
    if not decision.act or decision.drift or card.name not in cards or plan_of(card) == plan:
        return decision
    why = "a server that was placed here is still to get a slice of it"
    return replace(decision, act=False, drift=drift(card, plan, described(plan_of(card)), why))


def _facts(sight: Sight, slices: Iterable[Sequence[Slice]]) -> dict[str, FunctionFacts]:
    return {
        address: FunctionFacts(tuple(bar.size for bar in device.bars if bar.is_64bit), device.numa_node)
        for each in chain.from_iterable(slices)
        for address in each.addresses
        if (device := sight.snapshot.devices.get(address)) is not None
    }


def _now(slicer: Slicer, card: Card, sight: Sight) -> CardNow:
    plan = slicer.plan(card)
    return CardNow(card, plan, slicer.stands(card, plan, sight), slicer.abilities(card, sight))


def _hindrance(
    looking: Looking, known: Known, now: CardNow, slices: Sequence[Slice], sight: Sight
) -> Hindrance | None:
    """Why a card that shall be something else cannot be cut now."""
    try:
        plan = wanted(now.card, known.layout, looking.catalogue)
    except ValueError:
        return None  # plan_layout says so
    if plan == now.plan and now.stands:
        return None
    names = {now.card.name, *(each.name for each in slices)}
    for state, words in UNCLEAN.items():
        for name, record in known.records.items():
            # By its card too: after a reboot a slice is not there, and is no cleaner for that.
            if record.state is state and (name in names or record.card == now.card.name):
                return Hindrance(f"its slice {name} is {words}", ends=state is State.SANITISING)
    return looking.slicer.busy(now.card, plan, sight)


def _remembering(decision: Decision, refused: Mapping[str, tuple[Plan, str]]) -> Decision:
    card = decision.card
    plan, why = refused.get(card.name, (None, ""))
    if not decision.act or plan != decision.plan:
        return decision
    # What was tried was undone, but for a card that could not be brought back: its record says so then.
    why = why.removeprefix(f"{card.name}: ")
    return replace(decision, act=False, drift=drift(card, plan, "as it was before", why, TRIED))


def _of_card(card: Card, sight: Sight) -> tuple[str, ...]:
    return (*card.functions, *(device.address for device in sight.vfs_of(card)))
