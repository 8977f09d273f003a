"""Says of hosts that have the amounts, but not the devices together as a flavor's policy wants them, or not
the machine that it asks for, how near they come. Pure.

They are the last that a ledger removes: to placement each of them is a candidate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kcloud_api.placement.constraints import Constraint
from kcloud_api.placement.judging import NearestMiss
from kcloud_api.placement.ledger import MISSES, Entry, Ledger
from kcloud_api.placement.ways import Way
from kcloud_api.scheduler import machine
from kcloud_api.scheduler.choose import Sites
from kcloud_api.scheduler.machine import Lacking
from kcloud_api.scheduler.topology import Impossible, Policy

ON_NODES = "not_on_the_cells_nodes"
CODES = {Policy.SAME_SWITCH: "not_below_one_switch", Policy.SAME_NUMA: "not_on_one_node"}
WEIGHT = 3000
"""As of other demands on devices together (judging.WEIGHTS)."""


@dataclass(frozen=True, slots=True)
class Apart:
    """`counts`: how many hosts were passed over for which reason; `nearest` are those that came nearest, at
    most `keep`."""

    counts: Mapping[Constraint, int] = field(default_factory=dict)
    nearest: tuple[NearestMiss, ...] = ()
    keep: int = MISSES

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def and_one(self, missed: NearestMiss) -> "Apart":
        reason = missed.removed_by
        counts = {**self.counts, reason: self.counts.get(reason, 0) + 1}
        return Apart(counts, _nearest((*self.nearest, missed), self.keep), self.keep)


def miss(way: Way, sites: Sites, policy: Policy, why: Impossible) -> NearestMiss:
    """For a host whose devices cannot serve together. `policy`'s demand is not met, or else the devices are
    on more NUMA nodes than the guest has."""
    ours = frozenset(device.id for device in sites.devices)
    asked = [slot for slot, by in zip(way.slots, way.providers, strict=True) if by.id in ours]
    classes = {name for slot in asked for name, _ in slot.amounts}
    constraint = Constraint(
        CODES.get(policy, ON_NODES),
        groups=tuple(dict.fromkeys(slot.suffix for slot in asked)),
        resource_class=classes.pop() if len(classes) == 1 else "",
        amount=why.needed,
    )
    lacking = why.needed - max(why.free, default=0)
    root = way.tree.root
    return NearestMiss(root.id, root.name, constraint, why.free, (), WEIGHT + lacking)


def machine_miss(way: Way, lacking: Lacking) -> NearestMiss:
    """For a host that cannot make the guest's machine."""
    root, constraint = way.tree.root, lacking.constraint
    short = 1000 * max(0, constraint.amount - sum(lacking.has)) // max(1, constraint.amount)
    weight = machine.WEIGHTS[constraint.code] + short
    return NearestMiss(root.id, root.name, constraint, lacking.has, (), weight)


def narrowed(ledger: Ledger, apart: Apart) -> Ledger:
    """The ledger with those hosts removed too. It may be newer than what was found apart."""
    remaining = ledger.remaining
    entries: list[Entry] = []
    for constraint, count in apart.counts.items():
        removed = min(count, remaining)
        if removed:
            remaining -= removed
            entries.append(Entry(constraint, removed, remaining))
    if not entries:
        return ledger
    nearest = _nearest((*ledger.nearest, *apart.nearest), apart.keep)
    return replace(ledger, entries=(*ledger.entries, *entries), nearest=nearest)


def _nearest(found: Sequence[NearestMiss], keep: int) -> tuple[NearestMiss, ...]:
    return tuple(sorted(found, key=lambda missed: missed.distance)[:keep])
