"""What a host remembers of one device, and how each event changes it. Pure; device_ledger.py keeps it."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from kcloud_common.certificate import NO_CERTIFICATE, Certificate, Hash
from kcloud_common.errors import Conflict
from kcloud_common.signing import fingerprint
from kcloud_compute.lease_notes import (
    UNSEEN,
    Beginning,
    Counts,
    LeaseNotes,
    begun,
    counted,
    ended_in_quarantine,
    gone_on,
)
from vfio.lifecycle import LEASED, Event, State, after

MOST_WORDS = 4096
"""Of a reason."""


class StaleLease(Conflict):
    """A newer lease was seen on the device, or another one of the same number."""

    code = "stale_lease"


class Head(BaseModel):
    """Where a device's chain of certificates stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int = Field(default=0, ge=0)
    hash: Hash = NO_CERTIFICATE
    generation: int = Field(default=0, ge=0)


class DeviceRecord(BaseModel):
    """One device. A device without a record is this with its defaults: free, never leased."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    device: str
    card: str = ""
    """That it is a slice of, as far as this is known: after a reboot the slice itself may not be there."""
    state: State = State.FREE
    generation: int = Field(default=0, ge=0)
    """Of the newest lease that was seen."""
    claim_id: UUID | None = None
    """Whose lease it is, until a certificate ends it."""
    reason: str = ""
    """Evidence of a quarantine."""
    burn_in: int | None = None
    """The release count that a burn-in under way answers."""
    release_count: int = 0
    """Burn-ins done, passed or not."""
    head: Head = Head()
    certificate: Certificate | None = None
    """The newest, until the control plane has it."""
    lease: LeaseNotes = LeaseNotes()
    """Of the lease that goes on, or whose cleaning is under way."""
    lease_boot: str = ""
    """The host's boot in which the last lease ended."""
    before: dict[str, str] = Field(default_factory=dict)
    """Attributes that a cleaning under way has changed, as they were."""
    before_boot: str = ""
    """The boot in which they were noted. A reboot sets them anew by itself."""


def changed(record: DeviceRecord, event: Event, **facts: object) -> DeviceRecord:
    """vfio.lifecycle.NotAllowed for what the table of states lacks."""
    return record.model_copy(update={"state": after(record.state, event), **facts})


def claimed(
    record: DeviceRecord, claim_id: UUID, generation: int, beginning: Beginning = UNSEEN
) -> DeviceRecord:
    """Lease 0 is of a control plane that does not number them, and is not fenced among its like."""
    newest, device = record.generation, record.device
    if generation < newest:
        raise StaleLease(f"{device}: lease {generation} is older than lease {newest}, which was seen here")
    if record.state in LEASED and (record.claim_id, newest) == (claim_id, generation):
        return record.model_copy(update={"lease": gone_on(record.lease, beginning)})
    if generation and generation == newest:
        raise StaleLease(f"{device}: lease {generation} was another claim's, {record.claim_id or 'ended'}")
    facts = {"claim_id": claim_id, "generation": generation, "card": beginning.card or record.card}
    return changed(record, Event.CLAIM, **facts, reason="", lease=begun(beginning))


def watched(record: DeviceRecord, boot_id: str, errors: Counts) -> DeviceRecord:
    """With what AER counts now. Nothing of a device that no lease is on, nor was just before."""
    on = record.state in LEASED or (record.state is State.SANITISING and record.burn_in is None)
    if not on or not boot_id:
        return record
    return record.model_copy(update={"lease": counted(record.lease, boot_id, errors)})


def released(record: DeviceRecord, boot_id: str) -> DeviceRecord:
    if record.state in (State.SANITISING, State.QUARANTINED):
        return record
    return changed(record, Event.RELEASE, lease_boot=boot_id)


def certified(record: DeviceRecord, certificate: Certificate) -> DeviceRecord:
    """Conflict for a certificate that does not follow the device's last one, or is of another lease."""
    follows = record.head.sequence + 1, record.head.hash, record.generation, record.device
    given = certificate.sequence, certificate.previous, certificate.generation, certificate.device
    if given != follows:
        raise Conflict(f"{record.device}: the certificate is {given}, and {follows} would follow")
    sequence, generation = certificate.sequence, certificate.generation
    return changed(
        record,
        Event.CERTIFY,
        claim_id=None,
        reason="",
        burn_in=None,
        release_count=_burn_ins(record),
        certificate=certificate,
        before={},
        before_boot="",
        head=Head(sequence=sequence, hash=fingerprint(certificate), generation=generation),
        lease=LeaseNotes(),
    )


def failed(record: DeviceRecord, evidence: str) -> DeviceRecord:
    """More evidence for a device that is in quarantine already is added."""
    # A name from the host's file system may hold what no JSON can.
    words = evidence.encode("utf-8", "replace").decode()
    told = record.reason if record.state is State.QUARANTINED else ""
    reason = told if told and words in told else "; ".join(part for part in (told, words) if part)
    return changed(
        record, Event.FAIL, reason=reason[:MOST_WORDS], burn_in=None, release_count=_burn_ins(record)
    )


def rebooted(record: DeviceRecord, boot_id: str) -> bool:
    """Whether the host was started anew since the last lease (vfio.sanitise.subject.Subject)."""
    return "" not in (record.lease_boot, boot_id) and record.lease_boot != boot_id


def burning_in(record: DeviceRecord, count: int, boot_id: str) -> DeviceRecord:
    """Nothing happens while the control plane lacks the last certificate: the next one would replace it, and
    the chain would have a gap there."""
    if record.certificate is not None:
        return record
    if record.burn_in == count or record.release_count >= count:
        return record
    # Where no lease is known, one may have been forgotten: it is taken to have ended in this boot.
    lease_boot = record.lease_boot or boot_id
    # What its last lease showed is why it is in quarantine; now it is to show what it does by itself.
    return changed(
        record, Event.BURN_IN, burn_in=count, lease_boot=lease_boot, lease=ended_in_quarantine(record.lease)
    )


def accepted(record: DeviceRecord, sequence: int) -> DeviceRecord:
    if record.certificate is None or record.certificate.sequence > sequence:
        return record
    return record.model_copy(update={"certificate": None})


def _burn_ins(record: DeviceRecord) -> int:
    """A burn-in that failed is done too: it is not repeated until somebody asks again."""
    return record.release_count if record.burn_in is None else record.burn_in
