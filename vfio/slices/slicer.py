"""The one owner of how a host's cards are cut, and of claims on what they are cut into.

Order: judge from a fresh look, journal, open, judge again by what the kernel then says, make. What did not
succeed is undone by the same call; what was interrupted, by the next one (`apply` with any plan, `undo`).
"""

import threading
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from vfio.binding import Binder
from vfio.device import Snapshot
from vfio.errors import (
    BindFailed,
    BindingError,
    Busy,
    DeviceBusy,
    JournalDamaged,
    LayoutRefused,
    NotRestored,
    SysfsError,
)
from vfio.journal import ClaimRecord, Journal
from vfio.scan import boot_id
from vfio.slices import claims, occupancy
from vfio.slices.back_ends import back_ends
from vfio.slices.backend import BackEnd
from vfio.slices.model import Ability, Card, Kind, Plan, Sight, Slice
from vfio.slices.occupancy import Hindrance
from vfio.slices.plans import plan_refusal
from vfio.slices.records import LayoutJournal, LayoutRecord
from vfio.slices.scheduler import Scheduler
from vfio.slices.sight import look
from vfio.slices.vfs import types_set
from vfio.slices.whole import whole_slice
from vfio.sysfs import Sysfs


class Slicer:
    """Thread-safe; run one per host, with the only Binder of that host."""

    def __init__(
        self, sysfs: Sysfs, journal: Journal, layouts: LayoutJournal, scheduler: Scheduler | None = None
    ) -> None:
        self._sysfs = sysfs
        self._journal = journal
        self._layouts = layouts
        self._binder = Binder(sysfs, journal)
        self._back_ends: Mapping[Kind, BackEnd] = back_ends(sysfs, journal, self._binder, scheduler)
        self._lock = threading.RLock()
        self._hopeless: dict[str, tuple[Plan, str | None, str]] = {}
        """Of each card the plan that its kernel refused last, in which boot, and why."""

    # --- what is there -------------------------------------------------------------------------------

    def look(self, snapshot: Snapshot | None = None) -> Sight:
        """One look serves for all cards."""
        return look(self._sysfs, snapshot)

    def abilities(self, card: Card, sight: Sight) -> tuple[Ability, ...]:
        """What the card can be cut into when it is empty; of a cut card as it was read before it was cut."""
        record = self._standing(card, sight)
        kept = record.abilities if record else ()
        known = {ability.kind for ability in kept}
        live = (back.abilities(card, sight) for kind, back in self._back_ends.items() if kind not in known)
        return (*kept, *(ability for found in live for ability in found))

    def slices(self, card: Card, sight: Sight) -> tuple[Slice, ...]:
        """What stands of the card's layout; without one, the whole card where it can be taken."""
        if (record := self._standing(card, sight)) is not None:
            return self._back(record).slices(card, record, sight) if record.stands else ()
        return () if sight.mdevs_of(card) else whole_slice(card, Plan(), sight)

    def plan(self, card: Card) -> Plan:
        """Of the layout that was applied to it last, also if a reboot has undone that."""
        record = self._read(card)
        return record.plan if record else Plan()

    def stands(self, card: Card, plan: Plan, sight: Sight) -> bool:
        """Whether the card is cut so, completely."""
        record = self._standing(card, sight)
        if record is None:
            return not plan.cuts and card.name not in self._layouts.names()
        return record.plan == plan and record.stands and len(self.slices(card, sight)) == plan.count

    def busy(self, card: Card, plan: Plan, sight: Sight) -> Hindrance | None:
        """Why the card can't be cut so now, if it is not yet; None when it can. After a reboot claims are no
        hindrance to making again what they hold slices of, nor to ending what somebody began who died of it.
        Costs more than `stands`: ask it of cards that do not."""
        if self._unreadable(card) and (sight.vfs_of(card) or sight.mdevs_of(card)):
            why = (
                "the record of its layout cannot be read, so nobody knows what it was: reboot the host, or "
                "remove its mediated devices and virtual functions by hand"
            )
            return Hindrance(why, ends=False)
        record = self._read(card)
        undone = record is not None and (record.boot_id != sight.snapshot.boot_id or not record.stands)
        again = undone and record is not None and record.plan == plan
        if not again and (why := occupancy.held(card, sight, self._journal.records())):
            return Hindrance(why, ends=True)
        types = types_set(self._sysfs, card.device, sight.vfs_of(card))
        why = occupancy.foreign(card, sight, self._standing(card, sight), types)
        return Hindrance(why, ends=False) if why else None

    # --- cutting -------------------------------------------------------------------------------------

    def apply(self, card: Card, plan: Plan) -> tuple[Slice, ...]:
        """Cut the card so; returns its slices. Repeat it freely: when all stands it writes nothing.

        Raises DeviceBusy while the card is used, LayoutRefused when it cannot be cut so, BindFailed when
        another try may do better (the card is then what it was before any layout), NotRestored when undoing
        failed too: `undo` and `apply` try that again. A layout that stood once is remembered all the same.
        """
        with self._lock:
            sight = self.look()
            if not self.stands(card, plan, sight):
                if hindrance := self.busy(card, plan, sight):
                    raise DeviceBusy(f"{card.name}: {hindrance.why}", card.functions)
                record = self._read(card)
                # The record stays until the new one takes its place: claims may hold what it tells of.
                again = record is not None and record.plan == plan
                self._undo(card, forget=not again)
                if plan.cuts:
                    self._cut(card, plan, again=again)
                sight = self.look()
            return self.slices(card, sight)

    def undo(self, card: Card) -> None:
        """Make the card what it was before its layout, whatever stands of that. Safe to repeat. Raises
        DeviceBusy, or NotRestored (call again)."""
        self.apply(card, Plan())

    def _cut(self, card: Card, plan: Plan, *, again: bool) -> None:
        """Of an empty card, with no record; `again`: with one of the same plan, of which nothing stands."""
        sight, back = self.look(), self._back_ends[plan.cuts[0].kind]
        if reason := plan_refusal(card, plan) or back.refusal(card, plan, sight):
            self._undo(card, forget=not again)
            raise LayoutRefused(f"{card.name}: {reason}", card.functions)
        if (known := self._hopeless.get(card.name)) and known[:2] == (plan, sight.snapshot.boot_id):
            self._undo(card, forget=not again)
            raise LayoutRefused(known[2], card.functions)
        try:
            record = self._opened(card, self._begun(card, plan, sight))
            if reason := back.refusal(card, plan, self.look()):
                raise LayoutRefused(reason)
            back.make(card, record)
            if (found := len(back.slices(card, record, self.look()))) != plan.count:
                raise LayoutRefused(f"{found} of {plan.count} slices stand after all was done")
            self._layouts.write(replace(record, stands=True))
        except (BindingError, SysfsError, OSError) as error:
            failure = f"{card.name}: {error}"
            try:
                self._undo(card, forget=not again)
            except (NotRestored, OSError) as worse:
                raise NotRestored(f"{failure}; then {worse}", card.functions) from error
            if isinstance(error, LayoutRefused):
                # Judged with the kernel's own numbers: another turn would only switch everything on and off.
                self._hopeless[card.name] = plan, sight.snapshot.boot_id, failure
            # Who holds something lets go of it, and full disks are emptied: that says nothing of the plan.
            passing = isinstance(error, Busy | OSError)
            raise (BindFailed if passing else LayoutRefused)(failure, card.functions) from error

    def _begun(self, card: Card, plan: Plan, sight: Sight) -> LayoutRecord:
        before = self._back_ends[plan.cuts[0].kind].before(card, plan, sight)
        record = LayoutRecord(card.name, sight.snapshot.boot_id, plan, before)
        self._layouts.write(record)
        return record

    def _opened(self, card: Card, record: LayoutRecord) -> LayoutRecord:
        """With what the empty card can be cut into written down."""
        back = self._back(record)
        back.open(card, record)
        record = replace(record, abilities=back.abilities(card, self.look()))
        self._layouts.write(record)
        return record

    def _undo(self, card: Card, *, forget: bool) -> None:
        """`forget`: the record too. By it alone comes back what claims hold, or is to be burned in."""
        record = self._read(card)
        ours = record is not None and record.boot_id == boot_id(self._sysfs)
        if record is not None and ours:
            try:
                self._back(record).unmake(card, record)
            except SysfsError as error:
                raise NotRestored(f"{card.name}: undoing its layout: {error}", card.functions) from error
        if forget and card.name in self._layouts.names():
            self._layouts.remove(card.name)
        elif record is not None and ours and not forget:
            # What the card can be cut into is asked anew: its driver may have known less than it will.
            self._layouts.write(replace(record, abilities=(), stands=False))

    # --- claims --------------------------------------------------------------------------------------

    def prepare(self, claim_id: UUID, wanted: Slice) -> tuple[str, ...]:
        """Make a slice ready for the claim's guest; returns the PCI functions that were taken for it. Repeat
        it freely. Raises as Binder.prepare, with nothing changed."""
        with self._lock:
            claims.refuse_uncut(self._sysfs, self._layouts, wanted)
            claims.refuse_taken(self._journal, claim_id, wanted)
            claim = claims.record(claim_id, boot_id(self._sysfs), wanted)
            return self._back_ends[wanted.kind].prepare(claim)

    def release(self, claim_id: UUID) -> None:
        """Take a claim's slice back and leave it as fresh as its kind allows: functions go back to the
        drivers that they had, an mdev is removed and made anew, a vGPU type is freed and set again. A claim
        without a record is released already. Raises NotRestored (call again)."""
        with self._lock:
            try:
                claim = self._journal.read(claim_id)
            except JournalDamaged as error:
                raise NotRestored(f"nobody knows what claim {claim_id} holds: {error}") from error
            if claim is None:
                self._journal.remove(claim_id)
                return
            kind = Kind(claim.slice.kind) if claim.slice else Kind.WHOLE
            self._back_ends[kind].release(claim)

    def prepared(self) -> Mapping[UUID, ClaimRecord]:
        """Claims with a record. A crash or a reboot may have left one only half prepared: `prepare` again."""
        return self._journal.records()

    def damaged(self) -> Mapping[UUID, str]:
        """Claims whose record cannot be read, and why. `prepare` them again to mend it."""
        return self._journal.damaged()

    def damaged_layouts(self) -> Mapping[str, str]:
        """Cards of which nobody knows how they were cut, and why."""
        return self._layouts.damaged()

    # --- records -------------------------------------------------------------------------------------

    def _back(self, record: LayoutRecord) -> BackEnd:
        return self._back_ends[record.plan.cuts[0].kind]

    def _read(self, card: Card) -> LayoutRecord | None:
        """None also for one that cannot be read."""
        try:
            return self._layouts.read(card.name)
        except JournalDamaged:
            return None

    def _unreadable(self, card: Card) -> bool:
        return self._read(card) is None and card.name in self._layouts.names()

    def _standing(self, card: Card, sight: Sight) -> LayoutRecord | None:
        """Of this boot."""
        record = self._read(card)
        return record if record is not None and record.boot_id == sight.snapshot.boot_id else None
