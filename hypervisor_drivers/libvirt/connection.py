"""The only module that imports libvirt: one connection that comes back by itself, and its errors.

Libvirt delivers events and notices a dead peer through an event loop; one thread runs it for the process.
A lost connection is opened again by the next question.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

import libvirt

from hypervisor_drivers.driver import DriverError, DriverRefused
from hypervisor_drivers.libvirt.api import VirConnect, VirDomain
from hypervisor_drivers.libvirt.codes import REFUSALS, ErrorCode
from hypervisor_drivers.libvirt.pulse import Pulse

_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT = 5, 3


class LibvirtError(DriverError):
    """Libvirt said no, perhaps not for ever. `code` is one of virErrorNumber (0: it gave none)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class LibvirtRefused(DriverRefused):
    """Libvirt said no, and will say so again."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def tolerating(*codes: ErrorCode) -> Iterator[None]:
    """Errors of these codes are fine; those of others are not."""
    try:
        yield
    except LibvirtError as error:
        if error.code not in codes:
            raise


class _EventLoop:
    """Libvirt's own loop: registered once in a process, before its first connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = False

    def ensure(self) -> None:
        with self._lock:
            if self._runs:
                return
            libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it prints to stderr otherwise
            libvirt.virEventRegisterDefaultImpl()
            threading.Thread(target=self._run, name="libvirt-events", daemon=True).start()
            self._runs = True

    @staticmethod
    def _run() -> None:
        while True:
            with suppress(libvirt.libvirtError):
                libvirt.virEventRunDefaultImpl()


_EVENT_LOOP = _EventLoop()


class Connection:
    """A connection to `uri`. `pulse` beats at each lifecycle event, and when the peer is lost or found."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._lock = threading.Lock()
        self._line: _Line | None = None
        self._closed = False
        self.pulse = Pulse()

    @property
    def alive(self) -> bool:
        line = self._line
        return line is not None and line.alive

    @contextmanager
    def asking(self, what: str) -> Iterator[VirConnect]:
        """Errors of libvirt inside the block become LibvirtError or LibvirtRefused: `<what>: <its words>`."""
        try:
            yield self._open()
        except libvirt.libvirtError as error:
            raise _translated(what, error) from error

    def close(self) -> None:
        with self._lock:
            self._closed = True
            line, self._line = self._line, None
        if line is not None:
            line.let_go()
        self.pulse.beat()

    def _open(self) -> VirConnect:
        with self._lock:
            if self._closed:
                raise DriverError(f"the connection to {self._uri} was closed")
            if self._line is not None and self._line.alive:
                return self._line.connect
            lost, self._line = self._line, None
            if lost is not None:
                lost.let_go()
            self._line = _Line(self._uri, self.pulse)
            found = self._line.connect
        self.pulse.beat()
        return found


class _Line:
    """One open connection with its callbacks."""

    def __init__(self, uri: str, pulse: Pulse) -> None:
        _EVENT_LOOP.ensure()
        self._pulse = pulse
        self.connect = cast(VirConnect, libvirt.open(uri))
        lifecycle = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
        self._callback = self.connect.domainEventRegisterAny(None, lifecycle, self._on_lifecycle, None)
        # A driver inside this process (test:///) has no peer to lose.
        with suppress(libvirt.libvirtError):
            self.connect.registerCloseCallback(self._on_close, None)
            self.connect.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT)

    @property
    def alive(self) -> bool:
        with suppress(libvirt.libvirtError):
            return bool(self.connect.isAlive())
        return False

    def let_go(self) -> None:
        """Each callback holds the connection open until it is taken back; of a dead one none can be."""
        with suppress(libvirt.libvirtError):
            self.connect.domainEventDeregisterAny(self._callback)
        with suppress(libvirt.libvirtError):
            self.connect.unregisterCloseCallback()
        with suppress(libvirt.libvirtError):
            self.connect.close()

    def _on_lifecycle(
        self, _connect: VirConnect, _domain: VirDomain, _event: int, _detail: int, _opaque: object
    ) -> None:
        self._pulse.beat()

    def _on_close(self, _connect: VirConnect, _reason: int, _opaque: object) -> None:
        self._pulse.beat()


def _translated(what: str, error: libvirt.libvirtError) -> LibvirtError | LibvirtRefused:
    code = error.get_error_code() or ErrorCode.OK
    kind = LibvirtRefused if code in REFUSALS else LibvirtError
    return kind(f"{what}: {error.get_error_message() or error}", code)
