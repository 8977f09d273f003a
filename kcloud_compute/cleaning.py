"""Cleans one device by its record, and ends in one of two ways: a signed certificate, or quarantine with why.

Begins with a record that says `sanitising`, which the ledger wrote before; a stop at any line leaves it so.
"""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from kcloud_common.certificate import Certificate, CertificateStep, Grade, Occasion
from kcloud_common.signing import sign, unsigned
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.device_record import DeviceRecord
from vfio.errors import BindingError, SysfsError
from vfio.lifecycle import Event, NotAllowed, State
from vfio.sanitise.pipeline import Cleaned, Means, NotYet, Unclean, burn_in, sanitise
from vfio.sanitise.steps import Done, Outcome, Step
from vfio.sanitise.subject import Subject
from vfio.sanitise.verifying import StillWrong
from vfio.sysfs import Sysfs


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who signs, and for what."""

    host_id: UUID
    seed: bytes
    now: Callable[[], datetime]
    """Aware of its zone."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Of the device, for its certificate."""

    vendor_id: str
    product_id: str
    serial: str = ""


@dataclass(frozen=True)
class Job:
    """`give_back` returns the device's functions to the host's drivers (Binder.release, or the slicer's).
    `settle` then brings back what only these drivers can see, and is the last thing before the certificate;
    returns outcome and evidence, None for a device that has no such thing. May raise NotYet."""

    subject: Subject
    identity: Identity
    means: Means
    give_back: Callable[[], None]
    settle: Callable[[], tuple[Outcome, str] | None] = lambda: None


def clean(sysfs: Sysfs, ledger: DeviceLedger, signatory: Signatory, job: Job) -> Certificate:
    """Raises NotYet (try again), or Unclean after the device went into quarantine. Safe to repeat."""
    device = job.subject.name
    record = ledger.of(device)
    if record.state is not State.SANITISING:
        raise NotAllowed(record.state, Event.CERTIFY)
    run = sanitise if record.burn_in is None else burn_in
    try:
        cleaned = run(sysfs, job.subject, job.means)
        _give_back(job, cleaned.steps)
        cleaned = _settled(job, cleaned)
    except Unclean as error:
        ledger.fail(device, error.evidence)
        raise
    certificate = sign(certificate_of(record, job.identity, cleaned, signatory), signatory.seed)
    ledger.certify(device, certificate)
    return certificate


def certificate_of(
    record: DeviceRecord, identity: Identity, cleaned: Cleaned, signatory: Signatory
) -> Certificate:
    """The next one of the device's chain, not signed yet."""
    return unsigned(
        {
            "device": record.device,
            "host_id": signatory.host_id,
            "serial": identity.serial,
            "vendor_id": identity.vendor_id,
            "product_id": identity.product_id,
            "sequence": record.head.sequence + 1,
            "generation": record.generation,
            "claim_id": record.claim_id if record.burn_in is None else None,
            "occasion": Occasion.LEASE if record.burn_in is None else Occasion.BURN_IN,
            "grade": Grade(cleaned.grade),
            "steps": _steps(cleaned.steps),
            "issued_at": signatory.now(),
            "previous": record.head.hash,
        }
    )


def _give_back(job: Job, steps: Sequence[Done]) -> None:
    try:
        job.give_back()
    except (BindingError, SysfsError) as error:
        failed = Done(Step.RESTORE, "driver", Outcome.FAILED, 0, str(error))
        raise Unclean(f"it did not return to the host: {error}", (*steps, failed)) from error


def _settled(job: Job, cleaned: Cleaned) -> Cleaned:
    started = job.means.clock()

    def ended(outcome: Outcome, evidence: str) -> Done:
        milliseconds = max(0, round((job.means.clock() - started) * 1000))
        return Done(Step.RESTORE, "modes", outcome, milliseconds, evidence)

    try:
        found = job.settle()
    except NotYet:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise NotYet(f"noting its modes: {error}") from error  # of the agent's own files
        why = str(error) if isinstance(error, StillWrong | OSError) else f"{type(error).__name__}: {error}"
        steps = (*cleaned.steps, ended(Outcome.FAILED, why))
        raise Unclean(f"modes that its guest may have set could not be brought back: {why}", steps) from error
    if found is None:
        return cleaned
    return replace(cleaned, steps=(*cleaned.steps, ended(*found)))


_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


def _steps(steps: Sequence[Done]) -> tuple[CertificateStep, ...]:
    return tuple(
        CertificateStep(
            name=done.step,
            method=done.method,
            outcome=done.outcome,
            milliseconds=done.milliseconds,
            evidence=done.evidence,
        )
        for done in steps
    )
