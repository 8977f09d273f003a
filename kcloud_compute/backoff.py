"""Growing, jittered pauses, so that a thousand agents do not come back in the same second."""

from random import Random


class Backoff:
    """`next()` after each failure, `reset()` after a success."""

    def __init__(self, random: Random, *, first: float = 0.2, most: float = 30.0) -> None:
        self._random, self._first, self._most = random, first, most
        self._failures = 0

    def next(self) -> float:
        pause = pause_after(self._failures, first=self._first, most=self._most)
        self._failures += 1
        return pause * (0.5 + self._random.random() / 2)

    def reset(self) -> None:
        self._failures = 0


def pause_after(failures: int, *, first: float, most: float) -> float:
    """Doubles with each failure up to `most`."""
    return min(most, first * 2.0 ** min(failures, 30))
