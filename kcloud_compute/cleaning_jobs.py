"""Makes ready what is to be cleaned: finds the device, takes it, and says what it must be like afterwards.

A device is on vfio-pci while it is cleaned, where its kind is bound at all: a driver of the host's must not
look at what a guest has left.
"""

import time
from collections.abc import Callable, Mapping
from uuid import UUID

from hypervisor_drivers.driver import DriverError
from kcloud_compute.cared_host import Host, Tools
from kcloud_compute.cleaning import Identity, Job
from kcloud_compute.device_record import DeviceRecord, rebooted
from kcloud_compute.durable import Checkpoint
from kcloud_compute.lease_errors import count_errors
from kcloud_compute.lease_notes import LeaseNotes, growth
from kcloud_compute.lease_settings import settle
from kcloud_compute.marks import domain_marks, marks
from kcloud_compute.planner import LIVE
from vfio.device import address_of
from vfio.errors import DeviceGone, JournalDamaged
from vfio.health import Errors
from vfio.health_reading import read
from vfio.journal import ClaimRecord
from vfio.offer import seated_link
from vfio.sanitise.pipeline import Means, NotYet
from vfio.sanitise.steps import Outcome
from vfio.sanitise.subject import RECREATED_KINDS, Subject, functions_of
from vfio.sanitise.xe_knobs import put_back_knobs
from vfio.slices.model import Kind, Sight, Slice


class CleaningJobs:
    """Thread-safe as long as one device's jobs are not made side by side."""

    def __init__(self, host: Host, tools: Tools, checkpoint: Checkpoint) -> None:
        self._host, self._tools, self._checkpoint = host, tools, checkpoint

    def make(self, record: DeviceRecord, claim_id: UUID) -> Job:
        """Raises NotYet, DeviceGone, and what Slicer.prepare raises."""
        host = self._host
        found = self._found(record.device, claim_id)
        host.slicer.prepare(claim_id, found)
        sight = host.slicer.look()
        return Job(
            subject=self._subject(found, record, sight),
            identity=Identity(found.vendor_id, found.product_id, self._serial(found)),
            means=self._means(found, record, claim_id),
            give_back=lambda: host.slicer.release(claim_id),
            settle=lambda: self._settle(found),
        )

    # --- the device ----------------------------------------------------------------------------------

    def _found(self, device: str, claim_id: UUID) -> Slice:
        """NotYet for one that will be there at the next look, DeviceGone for one that is gone."""
        host = self._host
        cards = host.cutting()  # before the slices: what is to be cut now may be there a moment later
        seen = host.slices()
        if seen is None:
            raise NotYet("the host's devices could not be read yet")
        if (found := seen.get(device)) is not None:
            return found
        held = self._held(claim_id)
        if held is not None and held.slice is not None and held.slice.kind in RECREATED_KINDS:
            # A cleaning was stopped after it had taken the slice away, and before it had made it anew.
            host.slicer.release(claim_id)
            raise NotYet(f"{device} had been taken away, and was made anew just now")
        if held is None and cards:
            raise NotYet(f"{device} is not there, and {', '.join(sorted(cards))} is to be cut first")
        raise DeviceGone(f"{device} is not among this host's devices", ())

    def _serial(self, found: Slice) -> str:
        """Of the card. Of one that does not say it now, as it was last seen."""
        address = address_of(found.card)
        now = read(self._host.sysfs, address).serial if address else None
        return now or self._host.serials().get(found.card, "")

    def _held(self, claim_id: UUID) -> ClaimRecord | None:
        """What the claim holds by the journal since this boot: a reboot undoes it."""
        try:
            claim = self._host.journal.read(claim_id)
        except JournalDamaged:
            return None
        return claim if claim is not None and (claim.boot_id or "") == self._host.boot() else None

    def _subject(self, found: Slice, record: DeviceRecord, sight: Sight) -> Subject:
        catalogue, devices = self._host.catalogue, sight.snapshot.devices
        try:
            functions = functions_of(
                sight.snapshot, found.addresses, catalogue.describe, seated_link, self._host.accepted
            )
        except KeyError as error:
            raise DeviceGone(f"{error.args[0]} is not there", found.addresses) from error
        card = next((each for each in devices.values() if each.name == found.card), None)
        return Subject(
            name=found.name,
            kind=found.kind,
            functions=functions,
            watched=(card.address,) if card is not None and card.address not in found.addresses else (),
            mdev=str(found.mdev) if found.mdev else None,
            slice_type=found.type,
            scrub=catalogue.describe(card).scrub if card is not None and found.kind is Kind.WHOLE else "none",
            rebooted=rebooted(record, self._host.boot()),
        )

    # --- the means -----------------------------------------------------------------------------------

    def _means(self, found: Slice, record: DeviceRecord, claim_id: UUID) -> Means:
        return Means(
            clock=time.monotonic,
            notes=self._host.ledger.notes(found.name, self._host.boot()),
            fence=lambda: f"lease {record.generation} is over; the host takes none below it",
            stop=self._stop(found),
            restore=lambda: self._restore(found),
            recreate=self._recreate(found, claim_id),
            scrubs=self._tools.scrubs,
            read_backs=self._tools.read_backs,
            kernel_log=self._tools.kernel_log,
            lease_errors=lambda: self._lease_errors(found),
            checkpoint=self._checkpoint,
        )

    def _stop(self, found: Slice) -> Callable[[], str]:
        def stop() -> str:
            try:
                domains = self._host.driver.domains()
            except DriverError as error:
                raise NotYet(f"the hypervisor does not say which domains there are: {error}") from error
            for domain in domains.values():
                if domain.state in LIVE and marks(found) & domain_marks(domain):
                    raise NotYet(f"domain {domain.name} still has {found.name}")
            return "no domain has it"

        return stop

    def _recreate(self, found: Slice, claim_id: UUID) -> Callable[[], str]:
        def recreate() -> str:
            self._host.slicer.prepare(claim_id, found)
            self._host.slicer.release(claim_id)
            return f"type {found.type} was taken away and made anew"

        return recreate

    def _lease_errors(self, found: Slice) -> Mapping[str, Errors]:
        host = self._host
        return growth(host.ledger.watch(found.name, host.boot(), count_errors(host.sysfs, found)).lease)

    def _restore(self, found: Slice) -> str:
        noted = self._noted(found)
        # A reboot has set them anew, as the card was cut anew.
        return put_back_knobs(self._host.sysfs, noted.knobs if noted.boot == self._host.boot() else {})

    def _settle(self, found: Slice) -> tuple[Outcome, str] | None:
        host, modes = self._host, self._tools.modes
        if modes is None:
            return None

        def note(what: str) -> None:
            host.ledger.put_back(found.name, what)

        return settle(host.sysfs, found, self._noted(found), modes, note)

    def _noted(self, found: Slice) -> LeaseNotes:
        return self._host.ledger.of(found.name).lease
