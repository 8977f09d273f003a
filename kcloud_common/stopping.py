"""Turns SIGINT and SIGTERM into one thing to wait for, so that a process ends by its own clean path."""

import signal
import threading
from types import FrameType


class Stop:
    """Make it in the main thread, early: from then on a signal asks, and never kills half-way."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked.set()

    def wait(self, seconds: float | None = None) -> bool:
        """True once somebody asked."""
        return self._asked.wait(seconds)

    def is_set(self) -> bool:
        return self._asked.is_set()
