"""SR-IOV virtual functions that go to guests on vfio-pci, as many as the layout says."""

from collections.abc import Iterator
from dataclasses import replace

from vfio.binding import Binder
from vfio.journal import ClaimRecord
from vfio.slices import naming, sharing, vfs
from vfio.slices.model import Ability, Card, Cut, Kind, Plan, Sight, Slice
from vfio.slices.records import Before, LayoutRecord
from vfio.slices.sight import look
from vfio.sysfs import Sysfs

_XE = "xe"


class VirtualFunction:
    kind = Kind.VF

    def __init__(self, sysfs: Sysfs, binder: Binder) -> None:
        self._sysfs = sysfs
        self._binder = binder

    def abilities(self, card: Card, sight: Sight) -> tuple[Ability, ...]:
        total = card.device.sriov_total_vfs
        if not total:
            return ()
        return (Ability(Kind.VF, most=total, refused=self._unable(card, 1)),)

    def refusal(self, card: Card, plan: Plan, sight: Sight) -> str:
        if reason := self._unable(card, plan.count):
            return reason
        if any(cut.type or cut.memory_mib for cut in plan.cuts):
            return "its virtual functions have no types and no memory quota that could be set"
        return sharing.unshared(plan, f"driver {card.device.driver} shares its virtual functions by itself")

    def before(self, card: Card, plan: Plan, sight: Sight) -> Before:
        return vfs.before(self._sysfs, card.device)

    def open(self, card: Card, record: LayoutRecord) -> None:
        """Its kernel says how many there may be without that."""

    def make(self, card: Card, record: LayoutRecord) -> None:
        """Functions that stood already, as many as wanted, are taken as they are."""
        wanted = record.plan.count
        if record.before.vfs != wanted and vfs.count(self._sysfs, card.address) != wanted:
            vfs.set_count(self._sysfs, card.address, 0)
            # A driver of this host's would take them at once, and a module loaded later on too.
            vfs.set_autoprobe(self._sysfs, card.address, "0")
            vfs.set_count(self._sysfs, card.address, wanted)
        made = vfs.addresses(self._sysfs, card.address)
        vfs.refuse_shared_groups(look(self._sysfs), made)

    def unmake(self, card: Card, record: LayoutRecord) -> None:
        vfs.restore(self._sysfs, record.before)

    def slices(self, card: Card, record: LayoutRecord, sight: Sight) -> tuple[Slice, ...]:
        return tuple(function_slices(card, record.plan, sight))

    def prepare(self, claim: ClaimRecord) -> tuple[str, ...]:
        return self._binder.prepare(claim.claim_id, claim.addresses, claim.slice)

    def release(self, claim: ClaimRecord) -> None:
        self._binder.release(claim.claim_id)

    def _unable(self, card: Card, wanted: int) -> str:
        driver = card.device.driver
        if driver == vfs.NVIDIA:
            return "driver nvidia keeps its virtual functions: cut it into mdev or vendor-vf"
        if driver == _XE and self._sysfs.exists(f"sys/bus/pci/devices/{card.address}/sriov_admin"):
            return "driver xe gives its virtual functions quanta: cut it into xe-vf"
        return vfs.unable(card.device, wanted)


def cuts_in_order(plan: Plan) -> Iterator[Cut]:
    """The cut of each virtual function by number: first all of the first cut."""
    for cut in plan.cuts:
        for _ in range(cut.count):
            yield cut


def function_slices(card: Card, plan: Plan, sight: Sight) -> Iterator[Slice]:
    """One for each virtual function that stands, while the plan has a cut for it."""
    blanks = [
        replace(naming.blank(card, plan, cut, ""), share=sharing.share(plan, cut, plan.count))
        for cut in plan.cuts
    ]
    in_order = (blank for blank, cut in zip(blanks, plan.cuts, strict=True) for _ in range(cut.count))
    for device, blank in zip(sight.vfs_of(card), in_order, strict=False):
        yield naming.of_function(blank, device)
