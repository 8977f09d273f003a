"""Mediated devices: on the card itself, or one on each of its virtual functions.

They are made and removed through sysfs, with uuids that follow from the card, the type and a number: a layout
that is applied again after a reboot makes the same ones.
"""

from dataclasses import replace

from vfio.errors import BindFailed, DeviceGone, LayoutRefused, NotRestored, SysfsError, Vanished
from vfio.journal import ClaimRecord, Journal, SliceRecord
from vfio.reading import names
from vfio.scan import DEVICES, boot_id
from vfio.slices import naming, vfs
from vfio.slices.claims import note
from vfio.slices.driver_scheduler import DriverScheduler
from vfio.slices.model import Ability, Card, Cut, Kind, Plan, Sight, Slice, mdev_name, mdev_uuid
from vfio.slices.records import Before, LayoutRecord
from vfio.slices.sight import MDEVS, read_mdev
from vfio.slices.vgpu_types import VgpuType, largest_first, most, parse_described, total_mib
from vfio.slices.vgpus import sized
from vfio.sysfs import Sysfs

_TYPES = "mdev_supported_types"


class Mediated:
    kind = Kind.MDEV

    def __init__(self, sysfs: Sysfs, journal: Journal, scheduler: DriverScheduler) -> None:
        self._sysfs = sysfs
        self._journal = journal
        self._scheduler = scheduler

    def abilities(self, card: Card, sight: Sight) -> tuple[Ability, ...]:
        free = self._free(card, sight)
        if not free:
            later = (
                card.device.driver == vfs.NVIDIA and card.device.sriov_total_vfs and not sight.vfs_of(card)
            )
            return (self._later(card),) if later else ()
        first = {kind: address for address in reversed(free) for kind in free[address]}
        kinds = [self._described(address, kind) for kind, address in sorted(first.items())]
        memory = total_mib(kinds, card.memory_mib)
        found = (
            self._ability(card, kind, most(kind, sum(left.get(kind.id, 0) for left in free.values()), memory))
            for kind in kinds
        )
        return tuple(ability for ability in found if ability.most)

    def refusal(self, card: Card, plan: Plan, sight: Sight) -> str:
        if any(cut.memory_mib for cut in plan.cuts):
            return "the memory of a mediated device is its type's"
        known = naming.by_type(self.abilities(card, sight))
        if not known:
            return f"driver {card.device.driver or '(none)'} makes no mediated devices on it (no {_TYPES})"
        if "" in known:
            return vfs.unable(card.device, plan.count) or self._scheduler.refusal(card, plan)
        return naming.too_many(plan, known) or self._scheduler.refusal(card, plan, known)

    def before(self, card: Card, plan: Plan, sight: Sight) -> Before:
        return self._scheduler.noted(card, plan, vfs.before(self._sysfs, card.device))

    def open(self, card: Card, record: LayoutRecord) -> None:
        if not self._types(card.address) and card.device.sriov_total_vfs:
            vfs.all_on_native_driver(self._sysfs, card.device, record.plan.count)

    def make(self, card: Card, record: LayoutRecord) -> None:
        self._scheduler.set(card, record.plan)
        memory = {ability.type: ability.memory_mib for ability in record.abilities}
        parents = self._parents(card)
        for cut in largest_first(record.plan.cuts, memory):
            for index in range(cut.count):
                uuid = mdev_uuid(card.name, cut.type, index)
                if not self._sysfs.exists(f"{MDEVS}/{uuid}"):
                    self._sysfs.write(self._create(parents, cut, index), str(uuid))

    def unmake(self, card: Card, record: LayoutRecord) -> None:
        for cut in record.plan.cuts:
            for index in range(cut.count):
                self._remove(str(mdev_uuid(card.name, cut.type, index)))
        self._scheduler.restore(card, record.before)
        vfs.restore(self._sysfs, record.before)

    def slices(self, card: Card, record: LayoutRecord, sight: Sight) -> tuple[Slice, ...]:
        known = naming.by_type(record.abilities)
        state = self._scheduler.now(card, record.plan)
        found = []
        for cut in record.plan.cuts:
            ability = known.get(cut.type, Ability(Kind.MDEV))
            for index in range(cut.count):
                uuid = mdev_uuid(card.name, cut.type, index)
                standing = sight.mdevs.get(uuid)
                if standing is not None and standing.type == cut.type:
                    blank = naming.blank(card, record.plan, cut, mdev_name(uuid))
                    made = sized(blank, card, record.plan, cut, ability)
                    found.append(replace(made, mdev=uuid, sharing=state))
        return tuple(found)

    def prepare(self, claim: ClaimRecord) -> tuple[str, ...]:
        held = claim.slice
        if held is None or held.mdev is None:
            raise DeviceGone(f"claim {claim.claim_id} is for no mediated device")
        try:
            standing = read_mdev(self._sysfs, held.mdev)
        except Vanished as error:
            raise DeviceGone(
                f"mediated device {held.mdev} of card {held.card} is not there: apply its layout again"
            ) from error
        if standing.type != held.type:
            raise BindFailed(f"mediated device {held.mdev} is of type {standing.type} and not {held.type}")
        note(self._journal, replace(claim, slice=replace(held, parent=standing.parent)))
        return ()

    def release(self, claim: ClaimRecord) -> None:
        held = claim.slice
        if held is not None and held.mdev is not None and claim.boot_id == boot_id(self._sysfs):
            try:
                self._renew(held)
            except SysfsError as error:
                raise NotRestored(
                    f"making mediated device {held.mdev} anew: {error}", (held.parent,)
                ) from error
        self._journal.remove(claim.claim_id)

    def _renew(self, held: SliceRecord) -> None:
        """A new one has nothing of its last guest. It was removed already when a call before was stopped."""
        self._remove(str(held.mdev))
        if self._sysfs.exists(f"{DEVICES}/{held.parent}/{_TYPES}/{held.type}"):
            self._sysfs.write(f"{DEVICES}/{held.parent}/{_TYPES}/{held.type}/create", str(held.mdev))

    def _remove(self, uuid: str) -> None:
        if self._sysfs.exists(f"{MDEVS}/{uuid}"):
            self._sysfs.write(f"{MDEVS}/{uuid}/remove", "1")

    def _create(self, parents: tuple[str, ...], cut: Cut, index: int) -> str:
        """The file that makes one, where there is room; LayoutRefused with the kernel's numbers where not."""
        left: dict[str, int] = {}
        for parent in parents:
            for kind, available in self._types(parent).items():
                left[kind] = left.get(kind, 0) + available
                if kind == cut.type and available:
                    return f"{DEVICES}/{parent}/{_TYPES}/{kind}/create"
        numbers = ", ".join(f"{kind} {available}" for kind, available in sorted(left.items()))
        raise LayoutRefused(
            f"only {index} of {cut.count} of type {cut.type} fit beside the others; available_instances now: "
            f"{numbers or 'none'}"
        )

    def _parents(self, card: Card) -> tuple[str, ...]:
        return card.address, *vfs.addresses(self._sysfs, card.address)

    def _types(self, address: str) -> dict[str, int]:
        """Instances of each type that can still be made on a function."""
        return {
            kind: int(self._attribute(address, kind, "available_instances") or "0")
            for kind in names(self._sysfs, f"{DEVICES}/{address}/{_TYPES}")
        }

    def _free(self, card: Card, sight: Sight) -> dict[str, dict[str, int]]:
        """What can still be made on each function that makes any."""
        addresses = (card.address, *(device.address for device in sight.vfs_of(card)))
        return {address: types for address in addresses if (types := self._types(address))}

    def _described(self, address: str, kind: str) -> VgpuType:
        name, description = (self._attribute(address, kind, word) or "" for word in ("name", "description"))
        return parse_described(kind, name, description)

    def _attribute(self, address: str, kind: str, name: str) -> str | None:
        return vfs.attribute(self._sysfs, address, f"{_TYPES}/{kind}/{name}")

    def _ability(self, card: Card, kind: VgpuType, count: int) -> Ability:
        policies = () if kind.on_mig else self._scheduler.ability(card).policies
        return Ability(
            Kind.MDEV, kind.id, kind.name, count, kind.memory_mib, policies, quantum=bool(policies)
        )

    def _later(self, card: Card) -> Ability:
        return Ability(Kind.MDEV, most=card.device.sriov_total_vfs, refused=vfs.TYPES_LATER)
