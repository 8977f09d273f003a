"""Turning one domain on and off. Each function leads to its state from any other, and tolerates a guest that
changes its own state meanwhile.

Libvirt waits for the emulator as long as it takes. One that is stuck (its disk's server is gone, a device
does not answer) would hold us for ever, and with us all that is still to be done to its server, its removal
too: so what asks the emulator is given a time, after which the plug is pulled. That ends the question too.
"""

import threading
import time
from collections.abc import Callable

from hypervisor_drivers.driver import DriverError, DriverJammed
from hypervisor_drivers.libvirt.api import VirDomain
from hypervisor_drivers.libvirt.codes import ErrorCode, PausedReason, State
from hypervisor_drivers.libvirt.connection import Connection, LibvirtError, tolerating

_PRESS_EVERY_SECONDS = 10.0
"""A guest that is still booting misses the power button: press it again, as Nova does."""

_RESET_SECONDS = 30.0
"""An emulator that works does it in a hundredth."""

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
    """Start it, or let it go on when it is paused. A start that failed half-way, with its libvirtd, may have
    left it paused before its first instruction: that is no start."""
    try:
        with connection.asking(f"starting domain {domain.name()}"):
            if not domain.isActive():
                domain.create()
            elif domain.state()[0] == State.PAUSED:
                domain.resume()
    except LibvirtError:
        if not _got_going(connection, domain):  # somebody else may have started it first
            raise


def _got_going(connection: Connection, domain: VirDomain) -> bool:
    with tolerating(ErrorCode.NO_DOMAIN), connection.asking("reading a domain's state"):
        return domain.state()[0] in (State.RUNNING, State.BLOCKED)
    return False


def press_button(connection: Connection, domain: VirDomain, grace_seconds: float) -> None:
    """Ask by ACPI and wait until it is off or the time is up. A guest that cannot hear loses no time."""
    end = time.monotonic() + grace_seconds
    asked: _Question | None = None
    while (left := end - time.monotonic()) > 0:
        heard = connection.pulse.beats
        if not _hears(connection, domain):
            return
        if asked is None or asked.answered:
            asked = _Question(lambda: _shut_down(connection, domain))
        asked.wait(min(left, _PRESS_EVERY_SECONDS))
        if asked.refused:
            return
        seconds = min(end - time.monotonic(), _PRESS_EVERY_SECONDS)
        _wait_until_off(connection, domain, heard=heard, seconds=seconds)


def _hears(connection: Connection, domain: VirDomain) -> bool:
    """One that is off, paused or gone does not."""
    with tolerating(*_OFF_ALREADY), connection.asking(f"shutting down domain {domain.name()}"):
        return domain.state()[0] == State.RUNNING
    return False


def _shut_down(connection: Connection, domain: VirDomain) -> None:
    with tolerating(*_OFF_ALREADY), connection.asking(f"shutting down domain {domain.name()}"):
        domain.shutdown()


class _Question:
    """Something asked of the emulator, which may never answer. Nothing is left of it once that has ended."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self.error: DriverError | None = None
        self._thread = threading.Thread(target=self._run, name="libvirt-question", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._ask()
        except DriverError as error:
            self.error = error

    def wait(self, seconds: float) -> bool:
        """Whether it is answered by then."""
        self._thread.join(max(0.0, seconds))
        return self.answered

    @property
    def answered(self) -> bool:
        return not self._thread.is_alive()

    @property
    def refused(self) -> bool:
        return self.answered and self.error is not None


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
    asked = _Question(lambda: _press_reset(connection, domain))
    if not asked.wait(_RESET_SECONDS):
        pull_plug(connection, domain)
    elif asked.error is not None:
        raise asked.error
    turn_on(connection, domain)


def _press_reset(connection: Connection, domain: VirDomain) -> None:
    with tolerating(*_OFF_ALREADY), connection.asking(f"resetting domain {domain.name()}"):
        if domain.isActive():
            domain.reset()


def _wait_until_off(connection: Connection, domain: VirDomain, *, heard: int, seconds: float) -> None:
    """Sleeps from one lifecycle event to the next."""
    end = time.monotonic() + seconds
    while runs(connection, domain) and (left := end - time.monotonic()) > 0:
        heard = connection.pulse.wait(heard, left)
