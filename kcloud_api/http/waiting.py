"""Lets a request be held open until a topic is woken, at the price of one sleeping coroutine."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol


class _Subscription(Protocol):
    def close(self) -> None: ...


class Wakes(Protocol):
    """The half of kcloud_api.bus.Bus that is needed here."""

    def subscribe(self, prefix: str, callback: Callable[[str], None]) -> _Subscription: ...


class Nudge:
    """Set when the topic is woken. Level, not edge: whoever waits looks at the database again after each."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def wait(self, seconds: float) -> bool:
        """True when woken, False when the time is over; either is a reason to look again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
                self._event.clear()
                return True
        return False

    def ring(self, _topic: str) -> None:
        """From any thread."""
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
