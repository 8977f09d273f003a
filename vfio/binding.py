"""Gives IOMMU groups to vfio-pci for a claim and returns them to the host, surviving a stop after any line.

Order: judge from a fresh scan, journal, then for all endpoints override, unbind, probe, verify. The journal
goes last at release, so whatever was interrupted is either finished by the same call or undone by the other.
"""

import threading
from collections.abc import Mapping, Sequence
from uuid import UUID

from vfio import driver
from vfio.device import PciDevice, Snapshot, checked_address
from vfio.driver import VFIO_PCI
from vfio.errors import (
    BindFailed,
    BindingError,
    DeviceBusy,
    DeviceGone,
    DriverMissing,
    JournalDamaged,
    NotRestored,
    NotViable,
    SysfsError,
)
from vfio.groups import judge
from vfio.hostuse import in_use
from vfio.journal import ClaimRecord, FunctionRecord, Journal, SliceRecord
from vfio.scan import boot_id, scan
from vfio.sysfs import Sysfs


class Binder:
    """The one owner of bindings on a host. Thread-safe; run one per host."""

    def __init__(self, sysfs: Sysfs, journal: Journal) -> None:
        self._sysfs = sysfs
        self._journal = journal
        self._lock = threading.Lock()

    def prepare(
        self, claim_id: UUID, addresses: Sequence[str], held: SliceRecord | None = None
    ) -> tuple[str, ...]:
        """Bind the whole groups of these functions to vfio-pci; returns all functions that were taken.
        `held` is written down with them: the slice that the claim is for.

        Repeat it freely: after a crash, after a reboot of the host, or when all is done (then it writes
        nothing). Raises DeviceGone, DeviceBusy, NotViable or DriverMissing with nothing changed, BindFailed
        after everything was put back, NotRestored when putting back failed too (quarantine the device and
        call `release` to try again), SysfsError when the host cannot be read at all.
        """
        wanted = tuple(checked_address(address) for address in addresses)
        with self._lock:
            snapshot = scan(self._sysfs)
            before = self._standing_record(claim_id, wanted, snapshot)
            taken = before.functions if before else ()
            functions = self._functions(claim_id, wanted, taken, snapshot)
            if not driver.driver_known(self._sysfs, VFIO_PCI):
                raise DriverMissing("the vfio-pci driver is not loaded: run `modprobe vfio-pci`", functions)
            known = {function.address for function in taken}
            new = [snapshot.devices[address] for address in functions if address not in known]
            lost = claim_id in self._journal.damaged()
            record = ClaimRecord(
                claim_id,
                snapshot.boot_id,
                wanted,
                (*taken, *(_function_record(device, lost) for device in new)),
                held,
            )
            if record != before:
                self._write(record)
            self._bind_or_undo(record, functions)
            return functions

    def release(self, claim_id: UUID) -> None:
        """Return a claim's functions to the drivers they had, then forget it. A claim without a record is
        released already. Raises NotRestored (the record stays; call again), also for a record that cannot
        be read: then `prepare` the same claim once more, which writes a new one."""
        with self._lock:
            try:
                record = self._journal.read(claim_id)
            except JournalDamaged as error:
                raise NotRestored(f"nobody knows what claim {claim_id} holds: {error}") from error
            if record is not None and record.boot_id == boot_id(self._sysfs):
                self._restore(record)
            self._journal.remove(claim_id)

    def prepared(self) -> Mapping[UUID, tuple[str, ...]]:
        """Claims with a record, and the functions that they asked for. A crash or a reboot may have left one
        only half bound: `prepare` again makes sure."""
        return {claim_id: record.addresses for claim_id, record in self._journal.records().items()}

    def damaged(self) -> Mapping[UUID, str]:
        """Claims whose record cannot be read, and why. `prepare` them again to mend it."""
        return self._journal.damaged()

    def _standing_record(
        self, claim_id: UUID, wanted: tuple[str, ...], snapshot: Snapshot
    ) -> ClaimRecord | None:
        """What an earlier call wrote, where it still holds: of this boot."""
        try:
            record = self._journal.read(claim_id)
        except JournalDamaged:
            return None
        if record is None or record.boot_id != snapshot.boot_id:
            return None
        if set(record.addresses) != set(wanted):
            held = ", ".join(record.addresses)
            raise DeviceBusy(f"claim {claim_id} is prepared with {held}; release it first", wanted)
        return record

    def _functions(
        self,
        claim_id: UUID,
        wanted: tuple[str, ...],
        taken: tuple[FunctionRecord, ...],
        snapshot: Snapshot,
    ) -> tuple[str, ...]:
        """Every endpoint of the groups of `wanted`, or the error that says why not."""
        missing = [address for address in wanted if address not in snapshot.devices]
        if missing or not wanted:
            raise DeviceGone(
                f"no such PCI device on this host: {', '.join(missing) or '(none named)'}", missing
            )
        functions: list[str] = []
        used = in_use(self._sysfs)
        ours = {*wanted, *(function.address for function in taken)}
        for number in _groups_of(wanted, snapshot):
            verdict = judge(snapshot, number, ours, used)
            if not verdict.viable:
                busy = any(blocker.code == "in_use" for blocker in verdict.blockers)
                raise (DeviceBusy if busy else NotViable)(verdict.reason, wanted)
            functions.extend(verdict.endpoints)
        self._refuse_held(claim_id, functions)
        return tuple(functions)

    def _refuse_held(self, claim_id: UUID, functions: Sequence[str]) -> None:
        for other, record in self._journal.records().items():
            held = {function.address for function in record.functions} & set(functions)
            if other != claim_id and held:
                raise DeviceBusy(f"{', '.join(sorted(held))} is prepared for claim {other}", sorted(held))

    def _write(self, record: ClaimRecord) -> None:
        try:
            self._journal.write(record)
        except OSError as error:
            raise BindFailed(
                f"writing the journal: {error}; nothing was changed", record.addresses
            ) from error

    def _bind_or_undo(self, record: ClaimRecord, functions: tuple[str, ...]) -> None:
        try:
            self._bind(functions)
        except (BindingError, SysfsError) as error:
            failure = f"binding {', '.join(functions)} to vfio-pci: {error}"
            try:
                self._restore(record)
            except NotRestored as worse:
                raise NotRestored(f"{failure}; then {worse}", worse.addresses) from error
            self._journal.remove(record.claim_id)
            raise BindFailed(failure, functions) from error

    def _bind(self, functions: tuple[str, ...]) -> None:
        sysfs = self._sysfs
        moving = [address for address in functions if driver.current_driver(sysfs, address) != VFIO_PCI]
        for address in moving:
            driver.override(sysfs, address, VFIO_PCI)
        for address in moving:
            driver.unbind(sysfs, address)
        for address in moving:
            driver.probe(sysfs, address)
        for address in moving:
            if (now := driver.current_driver(sysfs, address)) != VFIO_PCI:
                raise BindFailed(
                    f"{address} is on driver {now or 'none'} after the probe (the kernel's log says why)",
                    (address,),
                )

    def _restore(self, record: ClaimRecord) -> None:
        """Restore every function, also when one fails; then raise for those that did."""
        failed: list[NotRestored] = []
        for function in reversed(record.functions):
            try:
                driver.restore(self._sysfs, function)
            except NotRestored as error:
                failed.append(error)
        if failed:
            addresses = [address for error in failed for address in error.addresses]
            raise NotRestored("; ".join(str(error) for error in failed), addresses) from failed[0]


def _groups_of(addresses: Sequence[str], snapshot: Snapshot) -> list[int]:
    groups: list[int] = []
    for address in addresses:
        number = snapshot.devices[address].iommu_group
        if number is None:
            raise NotViable(
                f"{address} has no IOMMU group: switch the IOMMU on in the firmware and boot with "
                "intel_iommu=on or amd_iommu=on",
                (address,),
            )
        if number not in groups:
            groups.append(number)
    return groups


def _function_record(device: PciDevice, lost: bool) -> FunctionRecord:
    """`lost`: an unreadable record is being replaced. What stands there is then our own doing, perhaps."""
    if lost and device.driver_override == VFIO_PCI:
        return FunctionRecord(device.address, None, None, known=False)
    return FunctionRecord(device.address, device.driver, device.driver_override)
