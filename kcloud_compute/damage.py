"""Brings claims to an end of which journal and ledger do not say the same: damaged entries, forgotten leases.

Where a device is named it ends in quarantine, with the evidence; where none is, the entry is set aside as a
file for a person, and every device that looks taken by it is kept from guests.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID

from kcloud_compute.cared_host import Host
from kcloud_compute.device_record import DeviceRecord
from vfio.driver import VFIO_PCI, current_driver
from vfio.errors import Vanished
from vfio.lifecycle import LEASED, State

log = logging.getLogger(__name__)

FIRST_LEASE = 1
"""Of a lease that began before leases were numbered; the control plane's migration counts so too."""


def settle(host: Host, claim_id: UUID, device: str) -> bool:
    """Whether the claim has been dealt with here. False for one that is to be released in the ordinary way,
    which mends a damaged entry if the ledger knows the lease. `device`: empty where nobody knows it. Raises
    as Slicer.prepare and Slicer.release do; safe to repeat."""
    entries, damaged = host.journal.all()
    why = damaged.get(claim_id, "")
    record = host.ledger.of(device) if device else None
    if record is None:
        if why:
            _settle_nameless(host, claim_id, why)
        return bool(why)
    if record.state in (*LEASED, State.SANITISING):
        another = record.claim_id not in (None, claim_id)
        if another and why:
            _set_aside(host, claim_id, f"{device} is held by another claim; {why}")
        return another and bool(why)
    if record.state in (State.FREE, State.MAINTENANCE) and not why and claim_id not in entries:
        return True  # released already: who asks again has looked before that was done
    if record.state is State.FREE and not record.generation:
        return False  # claimed before there was a ledger
    if record.state is State.QUARANTINED and not why:
        return False
    _settle_forgotten(host, claim_id, record, why)
    return True


def _settle_forgotten(host: Host, claim_id: UUID, record: DeviceRecord, why: str) -> None:
    """The journal says that the device was taken, the ledger that no such lease is under way."""
    told = why or "its lease is over by the ledger"
    evidence = f"claim {claim_id} stands in the journal for it: {told}"
    host.ledger.fail(record.device, evidence)
    log.error("device_quarantined", extra={"device": record.device, "reason": evidence})
    found = (host.slices() or {}).get(record.device)
    if not why:
        host.slicer.release(claim_id)
    elif found is None:
        _set_aside(host, claim_id, f"{record.device} is not there; {why}")
    else:
        host.slicer.prepare(claim_id, found)  # writes a new entry, by which it can be given back
        host.slicer.release(claim_id)


def _settle_nameless(host: Host, claim_id: UUID, why: str) -> None:
    for device, address in _taken_by_nobody(host):
        evidence = (
            f"{address} is on {VFIO_PCI} for no claim that is known; the journal's entry of {claim_id}, "
            f"which names no device any more, may have been its: {why}"
        )
        host.ledger.fail(device, evidence)
        log.error("device_quarantined", extra={"device": device, "reason": evidence})
    _set_aside(host, claim_id, why)


def _taken_by_nobody(host: Host) -> Iterator[tuple[str, str]]:
    """Free devices with a function that somebody has taken from its driver."""
    held = {function.address for claim in host.journal.records().values() for function in claim.functions}
    for device, each in (host.slices() or {}).items():
        if host.ledger.of(device).state is State.FREE:
            for address in each.addresses:
                with suppress(Vanished):
                    if address not in held and current_driver(host.sysfs, address) == VFIO_PCI:
                        yield device, address
                        break


def _set_aside(host: Host, claim_id: UUID, why: str) -> None:
    path = host.journal.set_aside(claim_id)
    log.error(
        "journal_entry_set_aside",
        extra={
            "claim_id": str(claim_id),
            "path": str(path),
            "reason": why,
            "mend": f"look into it, then rm {path}",
        },
    )
