"""Remembers what failed, so that it is tried again later and not at once. The clock is an argument."""

import math
from typing import Generic, TypeVar

from kcloud_compute.backoff import pause_after

Key = TypeVar("Key")

_FIRST, _MOST = 1.0, 60.0
_KEPT = 3600.0
"""Seconds after which nobody waits for it: its server, say, has gone, and it will not be tried again."""


class Pauses(Generic[Key]):
    """One thread's."""

    def __init__(self) -> None:
        self._failures: dict[Key, tuple[int, float]] = {}

    def failed(self, key: Key, now: float) -> None:
        count, _ = self._failures.get(key, (0, 0.0))
        self._failures = {each: last for each, last in self._failures.items() if now - last[1] < _KEPT}
        self._failures[key] = count + 1, now + pause_after(count, first=_FIRST, most=_MOST)

    def succeeded(self, key: Key) -> None:
        self._failures.pop(key, None)

    def may_try(self, key: Key, now: float) -> bool:
        return self._failures.get(key, (0, now))[1] <= now

    def wait(self, key: Key, now: float) -> float:
        """Seconds until this one may be tried."""
        return max(0.0, self._failures.get(key, (0, now))[1] - now)

    def due(self, now: float) -> float:
        """Seconds until the next of those that wait may be tried; infinity when none waits."""
        return min((at - now for _, at in self._failures.values() if at > now), default=math.inf)
