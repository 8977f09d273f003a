"""Whole cards: all endpoints of the IOMMU group go to one guest on vfio-pci, companions are parked too."""

from dataclasses import replace

from vfio.binding import Binder
from vfio.journal import ClaimRecord
from vfio.slices import naming, sharing, vfs
from vfio.slices.model import Ability, Card, Cut, Kind, Plan, Sight, Slice
from vfio.slices.offering import refusal
from vfio.slices.records import Before, LayoutRecord
from vfio.sysfs import Sysfs


class Whole:
    kind = Kind.WHOLE

    def __init__(self, sysfs: Sysfs, binder: Binder) -> None:
        self._sysfs = sysfs
        self._binder = binder

    def abilities(self, card: Card, sight: Sight) -> tuple[Ability, ...]:
        return (Ability(Kind.WHOLE, most=1, memory_mib=card.memory_mib, refused=not_whole(card, sight)),)

    def refusal(self, card: Card, plan: Plan, sight: Sight) -> str:
        if plan.count != 1 or any(cut.type for cut in plan.cuts):
            return "a whole card is one slice without a type"
        return sharing.unshared(plan, "a whole card is one guest's alone")

    def before(self, card: Card, plan: Plan, sight: Sight) -> Before:
        return vfs.before(self._sysfs, card.device)

    def open(self, card: Card, record: LayoutRecord) -> None:
        """There is nothing to find out."""

    def make(self, card: Card, record: LayoutRecord) -> None:
        vfs.set_count(self._sysfs, card.address, 0)

    def unmake(self, card: Card, record: LayoutRecord) -> None:
        vfs.restore(self._sysfs, record.before)

    def slices(self, card: Card, record: LayoutRecord, sight: Sight) -> tuple[Slice, ...]:
        return whole_slice(card, record.plan, sight)

    def prepare(self, claim: ClaimRecord) -> tuple[str, ...]:
        return self._binder.prepare(claim.claim_id, claim.addresses, claim.slice)

    def release(self, claim: ClaimRecord) -> None:
        self._binder.release(claim.claim_id)


def whole_slice(card: Card, plan: Plan, sight: Sight) -> tuple[Slice, ...]:
    """The card as one slice, also when no layout speaks of it; none where its group cannot be taken."""
    if not_whole(card, sight):
        return ()
    cut = plan.cuts[0] if plan.cuts else Cut(Kind.WHOLE)
    blank = naming.blank(card, plan, cut, card.name)
    return (
        replace(
            blank,
            addresses=card.functions,
            iommu_group=card.device.iommu_group,
            memory_mib=card.memory_mib,
        ),
    )


def not_whole(card: Card, sight: Sight) -> str:
    """Why it can't be given away whole, with all that is in its group and the way out; empty when it can."""
    why = refusal(card, sight.snapshot, sight.used)
    return why.reason if why else ""
