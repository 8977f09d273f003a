"""Takes care of devices for actions: begins and ends leases, has devices cleaned, cuts cards.

The ledger is written before the host is touched, so that after a stop at any line the next turn knows what
was under way. A device that cannot be shown to be clean ends in quarantine, and the action counts as done:
its lease is over, and what is left is between the device and an operator.
"""

import logging
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID, uuid5

from kcloud_compute import damage
from kcloud_compute.actions import CleanDevice, CutCard, MaintainDevice, PrepareDevice, ReleaseDevice
from kcloud_compute.cared_host import Host, Tools
from kcloud_compute.cleaning import Signatory, clean
from kcloud_compute.cleaning_jobs import CleaningJobs
from kcloud_compute.device_record import DeviceRecord, Head
from kcloud_compute.durable import Checkpoint, no_checkpoint
from kcloud_compute.inventory import UNCLEAN
from kcloud_compute.lease_errors import count_errors
from kcloud_compute.lease_notes import Beginning
from kcloud_compute.lease_settings import knobs_of, modes_of
from vfio.errors import BindingError, DeviceGone, JournalDamaged, NotRestored, NotViable, SysfsError
from vfio.lifecycle import LEASED, Event, State
from vfio.sanitise.pipeline import Unclean
from vfio.slices.model import Slice

log = logging.getLogger(__name__)

_BURN_INS = UUID("8f6c3b54-3f0e-4a58-9a52-51d0f0e1c7aa")
"""The namespace of claims that burn-ins hold devices by."""


class Care:
    """Thread-safe as long as one device's actions are not done side by side."""

    def __init__(
        self, host: Host, signatory: Signatory, tools: Tools, checkpoint: Checkpoint = no_checkpoint
    ) -> None:
        self._host, self._signatory, self._tools, self._checkpoint = host, signatory, tools, checkpoint
        self._jobs = CleaningJobs(host, tools, checkpoint)

    def prepare(self, action: PrepareDevice) -> None:
        """Raises StaleLease, NotAllowed, and what Slicer.prepare raises."""
        wanted = action.slice
        record = self._host.ledger.of(wanted.name)
        if record.state not in UNCLEAN or record.claim_id != action.claim_id:
            beginning = self._beginning(wanted)
            self._host.ledger.claim(wanted.name, action.claim_id, action.generation, beginning)
            self._checkpoint("lease noted")
        # Else its lease is over, and only its entry in the journal is damaged: this writes a new one.
        self._host.slicer.prepare(action.claim_id, wanted)

    def release(self, action: ReleaseDevice) -> None:
        """Raises NotYet while the device is still used."""
        host = self._host
        device = action.device or self._device_of(action.claim_id)
        if damage.settle(host, action.claim_id, device):
            return
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
            # Claimed before this host kept a ledger: the first lease, where nobody knows its number any more.
            host.ledger.claim(device, action.claim_id, action.generation or damage.FIRST_LEASE)
        if record.state is State.QUARANTINED:
            self._give_back(device, action.claim_id)
        else:
            self._clean(host.ledger.release(device, self._host.boot()), action.claim_id)

    def clean(self, action: CleanDevice) -> None:
        """A cleaning that was interrupted, or a burn-in."""
        ledger = self._host.ledger
        if action.burn_in is not None:
            known = Head(**action.chain.model_dump()) if action.chain else None
            record = ledger.burn_in(action.device, action.burn_in, self._host.boot(), known)
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
            job = self._jobs.make(record, claim_id)
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

    def _give_back(self, device: str, claim_id: UUID) -> None:
        """A quarantined device goes back to its driver, for an operator's tools. Where that fails too, its
        journal entry stays, and the burn-in will take it up."""
        try:
            self._host.slicer.release(claim_id)
        except (BindingError, SysfsError) as error:
            self._host.ledger.fail(device, str(error))
            log.error("device_not_returned", extra={"device": device, "reason": str(error)})

    def _beginning(self, wanted: Slice) -> Beginning:
        host = self._host
        return Beginning(
            wanted.card,
            host.boot(),
            count_errors(host.sysfs, wanted),
            knobs_of(host.sysfs, wanted),
            modes_of(host.sysfs, wanted, self._tools.modes),
        )

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
