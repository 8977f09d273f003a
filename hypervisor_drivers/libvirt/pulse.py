"""A heartbeat that threads wait for: "something changed", without saying what."""

import threading


class Pulse:
    """Counts beats, so that a beat between looking and waiting is not missed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._beats = 0

    @property
    def beats(self) -> int:
        with self._condition:
            return self._beats

    def beat(self) -> None:
        with self._condition:
            self._beats += 1
            self._condition.notify_all()

    def wait(self, after: int, timeout: float | None) -> int:
        """Until there were more than `after` beats, or `timeout` seconds passed; the number of beats."""
        with self._condition:
            self._condition.wait_for(lambda: self._beats > after, timeout)
            return self._beats
