"""Decides what keeps a server from being built on this host now: the first reason that is found. Pure."""

from dataclasses import dataclass

from kcloud_common.wire import ClaimWant, Fault, ServerWant
from kcloud_compute.claims import Holders, is_held, is_stale, may_come, may_have, out_of_use
from kcloud_compute.guest_shape import Unfit
from kcloud_compute.observed import Folder, Observed


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a server can't be worked on now; `permanent`: not before its want changes."""

    fault: Fault
    permanent: bool


def obstacle_of(want: ServerWant, observed: Observed, holders: Holders) -> Obstacle | None:
    if (lost := _of_disk(want, observed)) is not None:
        return lost
    for claim in want.claims:
        if (found := _of_claim(claim, observed)) is not None:
            return found
    address = holders.contested(want)
    return _wait("device_busy", _BUSY, f"{address} is held by another") if address is not None else None


def unfit(error: Unfit) -> Obstacle:
    """Hugepages that another server has just left are free at the next look."""
    words = "Its host cannot give the server the machine that its flavor asks for."
    return _wait("shape_unfit", words, str(error))


def _of_disk(want: ServerWant, observed: Observed) -> Obstacle | None:
    folder = observed.folders.get(want.id, Folder())
    if not folder.disk and folder.record is not None and folder.record.has_run:
        return _end("disk_lost", "The server's disk is missing on its host.", f"no disk for {want.id}")
    if not folder.disk and want.image is None:
        return _end("no_image", "The server has no image to boot from.", f"no image, no disk for {want.id}")
    return None


_BUSY = "The device is still in use."


def _of_claim(claim: ClaimWant, observed: Observed) -> Obstacle | None:
    if may_come(claim, observed):
        words = "The device's card is being made ready on its host."
        return _wait("device_not_ready", words, f"{claim.device} is not there yet")
    if not may_have(claim, observed):
        details = f"claim {claim.id}: {claim.device} {claim.addresses}"
        return _end("device_not_offered", "The device is not offered by its host (any more).", details)
    if why := out_of_use(claim, observed):
        return _end("device_out_of_use", "The device is out of use on its host.", why)
    if is_stale(claim, observed):
        details = f"a lease of {claim.device} newer than {claim.generation} was seen here"
        return _end("stale_lease", "The device belongs to another server by now.", details)
    if is_held(claim, observed):
        details = f"{claim.device} is held by another lease, or being cleaned after one"
        return _wait("device_busy", _BUSY, details)
    return None


def _wait(code: str, message: str, details: str) -> Obstacle:
    return Obstacle(Fault(code=code, message=message, details=details), permanent=False)


def _end(code: str, message: str, details: str) -> Obstacle:
    return Obstacle(Fault(code=code, message=message, details=details), permanent=True)
