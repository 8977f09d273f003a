"""Virtual functions that stay on NVIDIA's driver and get a vGPU type (vendor-specific VFIO, Linux 6.8 on).

Each of them lists the types that it could still have; the lists shrink as siblings take memory. A type is
written to make a vGPU, 0 to free it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vfio.device import PciDevice
from vfio.errors import BindFailed, DeviceGone, LayoutRefused, NotRestored, SysfsError, Vanished
from vfio.journal import ClaimRecord, Journal
from vfio.scan import DEVICES, boot_id
from vfio.slices import naming, vfs
from vfio.slices.claims import note
from vfio.slices.driver_scheduler import DriverScheduler
from vfio.slices.model import Ability, Card, Kind, Plan, Sight, Slice
from vfio.slices.records import Before, LayoutRecord
from vfio.slices.vgpu_types import VgpuType, largest_first, most, parse_creatable, total_mib
from vfio.slices.vgpus import sized
from vfio.sysfs import Sysfs

UNKNOWN = ""
"""The type of an ability that says only that there are some."""


class VendorFunction:
    kind = Kind.VENDOR_VF

    def __init__(self, sysfs: Sysfs, journal: Journal, scheduler: DriverScheduler) -> None:
        self._sysfs = sysfs
        self._journal = journal
        self._scheduler = scheduler

    def abilities(self, card: Card, sight: Sight) -> tuple[Ability, ...]:
        total = card.device.sriov_total_vfs
        if card.device.driver != vfs.NVIDIA or not total:
            return ()
        functions = sight.vfs_of(card)
        if not functions:
            return (Ability(Kind.VENDOR_VF, most=total, refused=vfs.TYPES_LATER),)
        listed = self._listed(functions)
        if listed is None:
            return ()
        kinds = {kind.id: kind for kinds in listed.values() for kind in kinds}
        memory = total_mib(kinds.values(), card.memory_mib)
        return tuple(
            self._ability(card, kind, most(kind, sum(kind in kinds for kinds in listed.values()), memory))
            for kind in kinds.values()
        )

    def refusal(self, card: Card, plan: Plan, sight: Sight) -> str:
        if card.device.driver != vfs.NVIDIA:
            return f"is on {card.device.driver or 'no driver'}; such functions need driver {vfs.NVIDIA}"
        if reason := vfs.unable(card.device, plan.count):
            return reason
        if any(cut.memory_mib for cut in plan.cuts):
            return "a vGPU's memory is its type's"
        known = naming.by_type(self.abilities(card, sight))
        if not known:
            return "its driver makes no vendor-specific vGPUs here (no nvidia/creatable_vgpu_types)"
        if UNKNOWN in known:
            return self._scheduler.refusal(card, plan)
        return naming.too_many(plan, known) or self._scheduler.refusal(card, plan, known)

    def before(self, card: Card, plan: Plan, sight: Sight) -> Before:
        return self._scheduler.noted(card, plan, vfs.before(self._sysfs, card.device))

    def open(self, card: Card, record: LayoutRecord) -> None:
        vfs.all_on_native_driver(self._sysfs, card.device, record.plan.count)

    def make(self, card: Card, record: LayoutRecord) -> None:
        self._scheduler.set(card, record.plan)
        functions = vfs.addresses(self._sysfs, card.address)
        memory = {ability.type: ability.memory_mib for ability in record.abilities}
        for cut in largest_first(record.plan.cuts, memory):
            self._fill(functions, cut.type, cut.count)

    def unmake(self, card: Card, record: LayoutRecord) -> None:
        for function in vfs.addresses(self._sysfs, card.address):
            self._set_type(function, vfs.NO_TYPE)
        self._scheduler.restore(card, record.before)
        vfs.restore(self._sysfs, record.before)

    def slices(self, card: Card, record: LayoutRecord, sight: Sight) -> tuple[Slice, ...]:
        known = naming.by_type(record.abilities)
        state = self._scheduler.now(card, record.plan)
        cuts = {cut.type: cut for cut in record.plan.cuts}
        found = []
        for device in sight.vfs_of(card):
            cut = cuts.get(vfs.vgpu_type(self._sysfs, device.address) or vfs.NO_TYPE)
            if cut is None:
                continue
            ability = known.get(cut.type, Ability(Kind.VENDOR_VF))
            blank = naming.of_function(naming.blank(card, record.plan, cut, device.name), device)
            found.append(replace(sized(blank, card, record.plan, cut, ability), sharing=state))
        return tuple(found)

    def prepare(self, claim: ClaimRecord) -> tuple[str, ...]:
        held = claim.slice
        if held is None or (now := vfs.vgpu_type(self._sysfs, held.parent)) is None:
            raise DeviceGone(f"there is no such function: {claim.addresses}", claim.addresses)
        if now != held.type:
            raise BindFailed(
                f"{held.parent} has vGPU type {now} and not {held.type}: apply the layout of its card again",
                (held.parent,),
            )
        note(self._journal, claim)
        return claim.addresses

    def release(self, claim: ClaimRecord) -> None:
        held = claim.slice
        if held is not None and claim.boot_id == boot_id(self._sysfs):
            try:
                if vfs.vgpu_type(self._sysfs, held.parent) is not None:
                    self._set_type(held.parent, vfs.NO_TYPE)
                    self._set_type(held.parent, held.type)
            except SysfsError as error:
                raise NotRestored(f"making {held.parent} anew: {error}", (held.parent,)) from error
        self._journal.remove(claim.claim_id)

    def _ability(self, card: Card, kind: VgpuType, count: int) -> Ability:
        policies = () if kind.on_mig else self._scheduler.ability(card).policies
        return Ability(
            Kind.VENDOR_VF, kind.id, kind.name, count, kind.memory_mib, policies, quantum=bool(policies)
        )

    def _fill(self, functions: Sequence[str], type_id: str, count: int) -> None:
        missing = count - sum(vfs.vgpu_type(self._sysfs, function) == type_id for function in functions)
        for function in functions:
            if missing <= 0:
                return
            if vfs.vgpu_type(self._sysfs, function) != vfs.NO_TYPE:
                continue
            if any(kind.id == type_id for kind in self._creatable(function)):
                self._set_type(function, type_id)
                missing -= 1
        if missing > 0:
            raise LayoutRefused(
                f"only {count - missing} of {count} of type {type_id} fit: no free virtual function lists it "
                f"any more; listed now: {self._left(functions)}"
            )

    def _left(self, functions: Sequence[str]) -> str:
        left = {kind.id: kind.name for function in functions for kind in self._creatable(function)}
        return ", ".join(f"{id} ({name})" for id, name in sorted(left.items())) or "none"

    def _listed(self, functions: Sequence[PciDevice]) -> Mapping[str, tuple[VgpuType, ...]] | None:
        """By address, of those without a type; None where the driver has no such files."""
        found = {}
        for device in functions:
            now = vfs.vgpu_type(self._sysfs, device.address)
            if now is None:
                return None
            found[device.address] = self._creatable(device.address)
        return found

    def _creatable(self, function: str) -> tuple[VgpuType, ...]:
        try:
            return parse_creatable(self._sysfs.read_text(f"{DEVICES}/{function}/nvidia/creatable_vgpu_types"))
        except Vanished:
            return ()

    def _set_type(self, function: str, type_id: str) -> None:
        """What has the type already is left alone, so that each step may be repeated."""
        if vfs.vgpu_type(self._sysfs, function) not in (None, type_id):
            self._sysfs.write(f"{DEVICES}/{function}/nvidia/current_vgpu_type", type_id)
