"""The thread that holds a request for the assignment open, and hands each new one over."""

import logging
import threading
import time
from collections.abc import Callable
from random import Random
from uuid import UUID

from kcloud_common.errors import KcloudError, Unavailable
from kcloud_common.log import alike
from kcloud_common.wire import Assignment
from kcloud_compute.api_client import ApiClient
from kcloud_compute.backoff import Backoff

log = logging.getLogger(__name__)

_MOST_OFTEN = 1.0
_INTERRUPT_EACH = 0.2


class AssignmentPoll:
    """A control plane that is gone is asked again, ever more slowly; its silence changes nothing."""

    def __init__(
        self, api: ApiClient, host_id: UUID, wait: float, arrived: Callable[[Assignment], None]
    ) -> None:
        self._api, self._host_id, self._wait, self._arrived = api, host_id, wait, arrived
        self._stopping = threading.Event()
        self._latest: Assignment | None = None
        self._thread = threading.Thread(target=alike(self._run), name="kcloud-poll", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float) -> None:
        self._stopping.set()
        until = time.monotonic() + patience
        while self._thread.is_alive() and time.monotonic() < until:
            # Again and again: a request that is just being sent has no connection to cut yet.
            self._api.interrupt()
            self._thread.join(_INTERRUPT_EACH)

    def _run(self) -> None:
        backoff = Backoff(Random())  # noqa: S311 - jitter
        silent = False
        while not self._stopping.is_set():
            try:
                self._ask()
            except KcloudError as error:
                if self._stopping.is_set():
                    return
                if not silent or not isinstance(error, Unavailable):
                    log.warning("control_plane_lost", extra={"reason": str(error), "code": error.code})
                silent = True
                self._stopping.wait(backoff.next())
            except Exception:
                # Without this thread the host would hear of nothing any more, and nobody would know.
                log.exception("poll_failed")
                self._stopping.wait(backoff.next())
            else:
                if silent:
                    log.info("control_plane_found")
                silent = False
                backoff.reset()

    def _ask(self) -> None:
        """The first question is answered at once."""
        known, began = self._latest, time.monotonic()
        answer = self._api.assignment(known.generation if known else 0, self._wait if known else 0.0)
        if answer.host_id != self._host_id:
            raise Unavailable(f"got the assignment of another host ({answer.host_id})")
        # Older than before is legal: a control plane that was restored from a backup is still the truth.
        if answer != known and not self._stopping.is_set():
            self._latest = answer
            log.info("assignment_received", extra={"generation": answer.generation})
            self._arrived(answer)
        elif time.monotonic() - began < _MOST_OFTEN:
            # Nothing new, and at once: that is no long poll, and must not become a busy loop.
            self._stopping.wait(_MOST_OFTEN)
