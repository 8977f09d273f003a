"""Lets a request be held open until a topic is woken, at the price of one sleeping coroutine."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from kcloud_api.bus import CLOSED


class _Subscription(Protocol):
    def close(self) -> None: ...


class Wakes(Protocol):
    """The half of kcloud_api.bus.Bus that is needed here."""

    def subscribe(self, prefix: str, callback: Callable[[str], None]) -> _Subscription: ...


class Nudge:
    """Set when the topic is woken. Level, not edge: whoever waits looks at the database again after each."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._over = False
        self._loop = asyncio.get_running_loop()

    async def wait(self, seconds: float) -> bool:
        """True when woken; False when the time is over, or when this process is about to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
                self._event.clear()
                return not self._over
        return False

    def ring(self, topic: str) -> None:
        """From any thread."""
        self._over = self._over or topic == CLOSED
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._event.set)


@contextmanager
def nudged_by(bus: Wakes, topic: str) -> Iterator[Nudge]:
    """Hear `topic` within the block. Look at the database inside it: a wake-up from before is not heard."""
    nudge = Nudge()
    subscription = bus.subscribe(topic, nudge.ring)
    try:
        yield nudge
    finally:
        subscription.close()
