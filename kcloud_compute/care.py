"""Takes care of devices for actions: begins and ends leases, has devices cleaned, cuts cards.

The ledger is written before the host is touched, so that after a stop at any line the next turn knows what
was under way. A device that cannot be shown to be clean ends in quarantine, and the action counts as done:
its lease is over, and what is left is between the device and an operator.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid5

from hypervisor_drivers.driver import Driver, DriverError
from kcloud_compute.actions import CleanDevice, CutCard, MaintainDevice, PrepareDevice, ReleaseDevice
from kcloud_compute.cleaning import Identity, Job, Signatory, clean
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.device_record import DeviceRecord, Head
from kcloud_compute.durable import Checkpoint, no_checkpoint
from kcloud_compute.inventory import UNCLEAN
from kcloud_compute.marks import domain_marks, marks
from kcloud_compute.planner import LIVE
from vfio.catalogue import Catalogue
from vfio.errors import BindingError, DeviceGone, JournalDamaged, NotRestored, NotViable, SysfsError
from vfio.journal import ClaimRecord, Journal
from vfio.lifecycle import LEASED, Event, State
from vfio.offer import seated_link
from vfio.sanitise.pipeline import Means, NotYet, Tool, Unclean
from vfio.sanitise.subject import RECREATED_KINDS, Subject, functions_of
from vfio.scan import boot_id
from vfio.slices.model import Kind, Sight, Slice
from vfio.slices.slicer import Slicer
from vfio.sysfs import Sysfs

log = logging.getLogger(__name__)

_BURN_INS = UUID("8f6c3b54-3f0e-4a58-9a52-51d0f0e1c7aa")
"""The namespace of claims that burn-ins hold devices by."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The operator's own, by the catalogue's names of methods; and the kernel's log."""

    scrubs: Mapping[str, Tool] = field(default_factory=dict)
    read_backs: Mapping[str, Tool] = field(default_factory=dict)
    kernel_log: Callable[[], str] = lambda: ""


@dataclass(frozen=True, slots=True)
class Host:
    """What care is taken of, and by what."""

    sysfs: Sysfs
    driver: Driver
    slicer: Slicer
    journal: Journal
    ledger: DeviceLedger
    catalogue: Catalogue
    slices: Callable[[], Mapping[str, Slice] | None]
    """As last seen, by name; None before they could be read."""
    cutting: Callable[[], Collection[str]] = tuple
    """Names of cards that are to be cut now: what is not there may be there soon."""


class Care:
    """Thread-safe as long as one device's actions are not done side by side."""

    def __init__(
        self, host: Host, signatory: Signatory, tools: Tools, checkpoint: Checkpoint = no_checkpoint
    ) -> None:
        self._host, self._signatory, self._tools, self._checkpoint = host, signatory, tools, checkpoint

    def prepare(self, action: PrepareDevice) -> None:
        """Raises StaleLease, NotAllowed, and what Slicer.prepare raises."""
        wanted = action.slice
        record = self._host.ledger.of(wanted.name)
        if record.state not in UNCLEAN or record.claim_id != action.claim_id:
            self._host.ledger.claim(wanted.name, action.claim_id, action.generation, wanted.card)
            self._checkpoint("lease noted")
        # Else its lease is over, and only its entry in the journal is damaged: this writes a new one.
        self._host.slicer.prepare(action.claim_id, wanted)

    def release(self, action: ReleaseDevice) -> None:
        """Raises NotYet while the device is still used."""
        host = self._host
        device = action.device or self._device_of(action.claim_id)
        record = host.ledger.of(device) if device else None
        if record is None:
            # Of a device that nobody knows by name: a claim of before there were slices, whose card is gone.
            host.slicer.release(action.claim_id)
            return
        if record.state in LEASED and record.claim_id not in (None, action.claim_id):
            # The device is another claim's by now, who must not lose it: only the journal's entry goes.
            host.slicer.release(action.claim_id)
            return
        if record.state is State.FREE and not record.generation:
            # Claimed before this host kept a ledger.
            host.ledger.claim(device, action.claim_id, action.generation)
        if record.state is State.QUARANTINED:
            self._give_back(device, action.claim_id)
        else:
            self._clean(host.ledger.release(device, self._boot()), action.claim_id)

    def clean(self, action: CleanDevice) -> None:
        """A cleaning that was interrupted, or a burn-in."""
        ledger = self._host.ledger
        if action.burn_in is not None:
            known = Head(**action.chain.model_dump()) if action.chain else None
            record = ledger.burn_in(action.device, action.burn_in, self._boot(), known)
        else:
            record = ledger.of(action.device)
        if record.state is State.SANITISING:
            claim = self._claim_on(action.device) or record.claim_id
            self._clean(record, claim or uuid5(_BURN_INS, f"{action.device}/{record.burn_in}"))

    def cut(self, action: CutCard) -> None:
        """Raises DeviceBusy, LayoutRefused or NotRestored."""
        self._host.slicer.apply(action.card, action.plan)
        log.info("card_cut", extra={"card": action.card.name, "slices": action.plan.count})

    def maintain(self, action: MaintainDevice) -> None:
        self._host.ledger.happened(action.device, Event.WITHDRAW if action.wanted else Event.RETURN)

    def quarantine(self, device: str, evidence: str) -> None:
        self._host.ledger.fail(device, evidence)
        log.error("device_quarantined", extra={"device": device, "reason": evidence})

    # --- cleaning ------------------------------------------------------------------------------------

    def _clean(self, record: DeviceRecord, claim_id: UUID) -> None:
        host, device = self._host, record.device
        try:
            job = self._job(record, claim_id)
            certificate = clean(host.sysfs, host.ledger, self._signatory, job)
        except Unclean as error:
            log.error("device_quarantined", extra={"device": device, "reason": error.evidence})
        except _NOT_THE_HOSTS as error:
            self.quarantine(device, f"it could not be taken to be cleaned: {error}")
        else:
            facts = {"device": device, "grade": certificate.grade, "certificate": certificate.sequence}
            log.info("device_clean", extra={**facts, "lease": certificate.generation})
            return
        self._give_back(device, claim_id)

    def _job(self, record: DeviceRecord, claim_id: UUID) -> Job:
        """With the device bound to vfio-pci, where its kind is bound at all: a driver of the host's must not
        look at what a guest has left."""
        host = self._host
        found = self._found(record.device, claim_id)
        host.slicer.prepare(claim_id, found)
        sight = host.slicer.look()
        return Job(
            subject=self._subject(found, record, sight),
            identity=Identity(found.vendor_id, found.product_id),
            means=self._means(found, record, claim_id),
            give_back=lambda: host.slicer.release(claim_id),
        )

    def _found(self, device: str, claim_id: UUID) -> Slice:
        """NotYet for one that will be there at the next look, DeviceGone for one that is gone."""
        host = self._host
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
        if held is None and (cards := host.cutting()):
            raise NotYet(f"{device} is not there, and {', '.join(sorted(cards))} is to be cut first")
        raise DeviceGone(f"{device} is not among this host's devices", ())

    def _held(self, claim_id: UUID) -> ClaimRecord | None:
        """What the claim holds by the journal since this boot: a reboot undoes it."""
        try:
            claim = self._host.journal.read(claim_id)
        except JournalDamaged:
            return None
        return claim if claim is not None and claim.boot_id == boot_id(self._host.sysfs) else None

    def _subject(self, found: Slice, record: DeviceRecord, sight: Sight) -> Subject:
        catalogue, devices = self._host.catalogue, sight.snapshot.devices
        try:
            functions = functions_of(sight.snapshot, found.addresses, catalogue.describe, seated_link)
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
            rebooted=record.lease_boot not in ("", self._boot()),
        )

    def _means(self, found: Slice, record: DeviceRecord, claim_id: UUID) -> Means:
        host = self._host

        def fence() -> str:
            return f"lease {record.generation} is over; the host takes none below it"

        def stop() -> str:
            try:
                domains = host.driver.domains()
            except DriverError as error:
                raise NotYet(f"the hypervisor does not say which domains there are: {error}") from error
            for domain in domains.values():
                if domain.state in LIVE and marks(found) & domain_marks(domain):
                    raise NotYet(f"domain {domain.name} still has {found.name}")
            return "no domain has it"

        def recreate() -> str:
            host.slicer.prepare(claim_id, found)
            host.slicer.release(claim_id)
            return f"type {found.type} was taken away and made anew"

        return Means(
            clock=time.monotonic,
            notes=host.ledger.notes(found.name, self._boot()),
            fence=fence,
            stop=stop,
            recreate=recreate,
            scrubs=self._tools.scrubs,
            read_backs=self._tools.read_backs,
            kernel_log=self._tools.kernel_log,
            checkpoint=self._checkpoint,
        )

    def _give_back(self, device: str, claim_id: UUID) -> None:
        """A quarantined device goes back to its driver, for an operator's tools. Where that fails too, its
        journal entry stays, and the burn-in will take it up."""
        try:
            self._host.slicer.release(claim_id)
        except (NotRestored, BindingError, SysfsError) as error:
            self._host.ledger.fail(device, str(error))
            log.error("device_not_returned", extra={"device": device, "reason": str(error)})

    def _boot(self) -> str:
        return boot_id(self._host.sysfs) or ""

    # --- names ---------------------------------------------------------------------------------------

    def _device_of(self, claim_id: UUID) -> str:
        """Which slice a claim is for, by the journal or by the ledger; empty when neither knows."""
        with suppress(JournalDamaged):
            claim = self._host.journal.read(claim_id)
            if claim is not None and claim.slice is not None:
                return claim.slice.name
        records = self._host.ledger.all().values()
        return next((record.device for record in records if record.claim_id == claim_id), "")

    def _claim_on(self, device: str) -> UUID | None:
        """Which claim the journal still holds on it."""
        claims = self._host.journal.records().items()
        return next((id for id, claim in claims if claim.slice and claim.slice.name == device), None)


_NOT_THE_HOSTS = (DeviceGone, NotViable, NotRestored)
"""What another attempt would not change, and no tool of the host's is to blame for."""


def now_utc() -> datetime:
    return datetime.now(UTC)
