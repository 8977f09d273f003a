"""Turning one domain on and off. Each function leads to its state from any other, and tolerates a guest that
changes its own state meanwhile."""

import time

from hypervisor_drivers.libvirt.api import VirDomain
from hypervisor_drivers.libvirt.codes import ErrorCode, State
from hypervisor_drivers.libvirt.connection import Connection, LibvirtError, tolerating

_PRESS_EVERY_SECONDS = 10.0
"""A guest that is still booting misses the power button: press it again, as Nova does."""

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
    with tolerating(*_OFF_ALREADY), connection.asking(f"destroying domain {domain.name()}"):
        if domain.isActive():
            domain.destroy()


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
