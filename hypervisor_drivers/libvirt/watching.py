"""Tells others that something changed, and looks for a hypervisor that went away."""

import logging
import threading
from collections.abc import Callable

from hypervisor_drivers.driver import DriverError
from hypervisor_drivers.libvirt.connection import Connection

_LOOK_EVERY_SECONDS = 1.0

_LOG = logging.getLogger(__name__)


class Watching:
    """One thread: it calls the watchers at each beat (several beats may become one call), so that libvirt's
    event thread never waits for them; while the connection is down it tries to open it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._ended = False
        self._was_alive = True

    def add(self, changed: Callable[[], None]) -> None:
        with self._lock:
            self._watchers.append(changed)
            if self._thread is None:
                heard = self._connection.pulse.beats
                self._thread = threading.Thread(
                    target=self._run, args=(heard,), name="libvirt-watching", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """Returns when no watcher will be called any more (a watcher may close its own driver)."""
        self._ended = True
        self._connection.pulse.beat()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self, heard: int) -> None:
        pulse = self._connection.pulse
        while not self._ended:
            beats = pulse.wait(heard, None if self._look() else _LOOK_EVERY_SECONDS)
            if beats > heard and not self._ended:
                heard = beats
                self._tell()

    def _look(self) -> bool:
        """Open the connection where it is down; whether it stands now."""
        was_alive, self._was_alive = self._was_alive, True
        try:
            with self._connection.asking("looking for the hypervisor"):
                pass
        except DriverError as error:
            self._was_alive = False
            if was_alive:
                _LOG.warning("the hypervisor does not answer: %s", error)
            return False
        if not was_alive:
            _LOG.info("the hypervisor answers again")
        return self._connection.alive

    def _tell(self) -> None:
        with self._lock:
            watchers = tuple(self._watchers)
        for changed in watchers:
            try:
                changed()
            except Exception:  # a watcher's bug must not stop the watching
                _LOG.exception("a watcher of the hypervisor failed")
