"""Runs one turn after another on a thread: on a nudge, on a timer, and at once again while there is work.

A nudge carries no data and may be lost; what there is to do, a turn reads from the database. A turn that
fails is logged and tried again later; nothing but `close` ends a loop.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

log = logging.getLogger(__name__)

PAUSE_AFTER_ERROR = 1.0
LONGEST_PAUSE = 30.0


class Subscription(Protocol):
    def close(self) -> None: ...


class Wakes(Protocol):
    """The half of kcloud_api.bus.Bus that a loop needs."""

    def subscribe(self, prefix: str, callback: Callable[[str], None]) -> Subscription: ...


class Loop:
    """`turn` says whether it found work: then there may be more, and it runs again at once."""

    def __init__(
        self, name: str, turn: Callable[[], bool], bus: Wakes, topics: Sequence[str], interval: float
    ) -> None:
        self.name = name
        self._turn = turn
        self._interval = interval
        self._nudged = threading.Event()
        self._closing = threading.Event()
        self._failures = 0
        self._subscriptions = [bus.subscribe(topic, self._nudge) for topic in topics]
        self._thread = threading.Thread(target=self._run, name=f"loop-{name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the turn under way. May be called twice."""
        for subscription in self._subscriptions:
            subscription.close()
        self._closing.set()
        self._nudged.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _nudge(self, _topic: str) -> None:
        self._nudged.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            # Cleared before the turn looks: a nudge that comes while it looks causes another turn.
            self._nudged.clear()
            if self._one_turn():
                continue
            if self._failures:
                # Not on a nudge: what fails at once must not be tried a thousand times a second.
                self._closing.wait(min(PAUSE_AFTER_ERROR * 2 ** (self._failures - 1), LONGEST_PAUSE))
            else:
                self._nudged.wait(self._interval)

    def _one_turn(self) -> bool:
        try:
            more = self._turn()
        except Exception:
            self._failures = min(self._failures + 1, 10)
            log.exception("loop_turn_failed", extra={"loop": self.name})
            return False
        self._failures = 0
        return more
