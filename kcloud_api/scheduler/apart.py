"""Says of hosts that have the devices, but not together as a flavor's policy wants, how near they come. Pure.

They are the last that a ledger removes: to placement each of them is a candidate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kcloud_api.placement.constraints import Constraint
from kcloud_api.placement.judging import NearestMiss
from kcloud_api.placement.ledger import MISSES, Entry, Ledger
from kcloud_api.placement.ways import Way
from kcloud_api.scheduler.choose import Sites
from kcloud_api.scheduler.topology import Impossible, Policy

CODES = {Policy.SAME_SWITCH: "not_below_one_switch", Policy.SAME_NUMA: "not_on_one_node"}
WEIGHT = 3000
"""As of other demands on devices together (judging.WEIGHTS)."""


@dataclass(frozen=True, slots=True)
class Apart:
    """`count` hosts were passed over; `nearest` are those that came nearest."""

    count: int = 0
    nearest: tuple[NearestMiss, ...] = ()

    def and_one(self, missed: NearestMiss) -> "Apart":
        return Apart(self.count + 1, _nearest((*self.nearest, missed)))


def miss(way: Way, sites: Sites, policy: Policy, why: Impossible) -> NearestMiss:
    """For a host whose devices cannot serve together."""
    ours = frozenset(device.id for device in sites.devices)
    asked = [slot for slot, by in zip(way.slots, way.providers, strict=True) if by.id in ours]
    classes = {name for slot in asked for name, _ in slot.amounts}
    constraint = Constraint(
        CODES[policy],
        groups=tuple(dict.fromkeys(slot.suffix for slot in asked)),
        resource_class=classes.pop() if len(classes) == 1 else "",
        amount=why.needed,
    )
    lacking = why.needed - max(why.free, default=0)
    root = way.tree.root
    return NearestMiss(root.id, root.name, constraint, why.free, (), WEIGHT + lacking)


def narrowed(ledger: Ledger, apart: Apart) -> Ledger:
    """The ledger with those hosts removed too. It may be newer than what was found apart."""
    removed = min(apart.count, ledger.remaining)
    if not removed:
        return ledger
    entry = Entry(apart.nearest[0].removed_by, removed, ledger.remaining - removed)
    nearest = _nearest((*ledger.nearest, *apart.nearest))
    return replace(ledger, entries=(*ledger.entries, entry), nearest=nearest)


def _nearest(found: Sequence[NearestMiss]) -> tuple[NearestMiss, ...]:
    return tuple(sorted(found, key=lambda missed: missed.distance)[:MISSES])
