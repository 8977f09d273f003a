"""Turning one domain on and off. Each function leads to its state from any other, and tolerates a guest that
changes its own state meanwhile."""

import time

from hypervisor_drivers.driver import DriverJammed
from hypervisor_drivers.libvirt.api import VirDomain
from hypervisor_drivers.libvirt.codes import ErrorCode, PausedReason, State
from hypervisor_drivers.libvirt.connection import Connection, LibvirtError, tolerating

_PRESS_EVERY_SECONDS = 10.0
"""A guest that is still booting misses the power button: press it again, as Nova does."""

_HOW_TO_MEND = (
    "libvirt holds domain {name} in a start that nobody carries out any more."
    " Stop libvirtd, remove its status file qemu/{name}.xml under /run/libvirt, start libvirtd;"
    " other guests run on meanwhile."
)

_OFF_ALREADY = (ErrorCode.OPERATION_INVALID, ErrorCode.NO_DOMAIN)


def runs(connection: Connection, domain: VirDomain) -> bool:
    """Has a process, in whatever state."""
    with tolerating(ErrorCode.NO_DOMAIN), connection.asking("looking whether a domain runs"):
        return bool(domain.isActive())
    return False


def turn_on(connection: Connection, domain: VirDomain) -> None:
    """Start it, or let it go on when it is paused."""
    try:
        with connection.asking(f"starting domain {domain.name()}"):
            if not domain.isActive():
                domain.create()
            elif domain.state()[0] == State.PAUSED:
                domain.resume()
    except LibvirtError:
        if not runs(connection, domain):  # somebody else may have started it first
            raise


def press_button(connection: Connection, domain: VirDomain, grace_seconds: float) -> None:
    """Ask by ACPI and wait until it is off or the time is up. A guest that cannot hear loses no time."""
    end = time.monotonic() + grace_seconds
    while (left := end - time.monotonic()) > 0:
        heard = connection.pulse.beats
        with tolerating(*_OFF_ALREADY), connection.asking(f"shutting down domain {domain.name()}"):
            if domain.state()[0] != State.RUNNING:
                return
            domain.shutdown()
        _wait_until_off(connection, domain, heard=heard, seconds=min(left, _PRESS_EVERY_SECONDS))


def pull_plug(connection: Connection, domain: VirDomain) -> None:
    """DriverJammed when libvirtd died inside a start, before the guest had a process: it then restores the
    start's lock on the domain with nobody to let go of it (seen with 9.0), over any number of restarts."""
    try:
        with tolerating(*_OFF_ALREADY), connection.asking(f"destroying domain {domain.name()}"):
            if domain.isActive():
                domain.destroy()
    except LibvirtError as error:
        if error.code == ErrorCode.OPERATION_TIMEOUT and _is_starting_up(connection, domain):
            raise DriverJammed(_HOW_TO_MEND.format(name=domain.name())) from error
        raise


def _is_starting_up(connection: Connection, domain: VirDomain) -> bool:
    with tolerating(ErrorCode.NO_DOMAIN), connection.asking("reading a domain's state"):
        return tuple(domain.state()) == (State.PAUSED, PausedReason.STARTING_UP)
    return False


def reset(connection: Connection, domain: VirDomain) -> None:
    """The reset button; turns on what is off."""
    with tolerating(*_OFF_ALREADY), connection.asking(f"resetting domain {domain.name()}"):
        if domain.isActive():
            domain.reset()
    turn_on(connection, domain)


def _wait_until_off(connection: Connection, domain: VirDomain, *, heard: int, seconds: float) -> None:
    """Sleeps from one lifecycle event to the next."""
    end = time.monotonic() + seconds
    while runs(connection, domain) and (left := end - time.monotonic()) > 0:
        heard = connection.pulse.wait(heard, left)
