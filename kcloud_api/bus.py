"""Wakes whoever waits for a topic, in this process at once and in others through a broker.

A wake-up carries no data; it may be lost, doubled or late, and nothing may rest on it. So a broker that is
down costs nothing but speed: `wake` never blocks and never raises, and two threads reconnect behind it.

`memory://` is one process: its subscribers are called directly, and there is no thread and no polling.
`amqp://` adds one fanout exchange, to which every process has its own short-lived queue.
"""

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self
from uuid import uuid4

from kcloud_api.broker import Broker

log = logging.getLogger(__name__)

Callback = Callable[[str], None]

CLOSED = ""
"""The last topic that every subscriber hears: nothing follows, stop waiting."""


class Subscription:
    """One listener; `close` is final and may be called twice."""

    def __init__(self, bus: "Bus", prefix: str, callback: Callback) -> None:
        self._bus = bus
        self.prefix = prefix
        self.callback = callback

    def close(self) -> None:
        self._bus.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


class Bus:
    """Thread-safe. Callbacks run on the waker's or the broker's thread: they must be short, and they get
    the topic, never its meaning."""

    def __init__(self, url: str = "memory://") -> None:
        self._lock = threading.Lock()
        self._by_prefix: dict[str, set[Subscription]] = {}
        self._lengths: Counter[int] = Counter()
        """How many prefixes there are of each length. Thousands of hosts wait here at once, but their
        prefixes come in few lengths: a topic is looked up once per length, not compared with each."""
        self._origin = uuid4().hex
        self._broker: Broker | None = None
        if not url.startswith("memory:"):
            self._broker = Broker(url, self._heard)

    def wake(self, topics: Iterable[str]) -> None:
        """Call this process's subscribers now, and hand the topics to the broker's thread."""
        woken = frozenset(topics)
        for topic in woken:
            self._deliver(topic)
        if self._broker is not None and woken:
            self._broker.send(self._origin, woken)

    def subscribe(self, prefix: str, callback: Callback) -> Subscription:
        """Hear every topic that starts with `prefix`, until the subscription is closed."""
        subscription = Subscription(self, prefix, callback)
        with self._lock:
            if prefix not in self._by_prefix:
                self._by_prefix[prefix] = set()
                self._lengths[len(prefix)] += 1
            self._by_prefix[prefix].add(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        with self._lock:
            listeners = self._by_prefix.get(subscription.prefix)
            if listeners is None:
                return
            listeners.discard(subscription)
            if not listeners:
                del self._by_prefix[subscription.prefix]
                self._lengths[len(subscription.prefix)] -= 1

    def close(self) -> None:
        """Tell every subscriber, and forget them all. Safe to call twice."""
        with self._lock:
            listening = [subscription for group in self._by_prefix.values() for subscription in group]
            self._by_prefix.clear()
            self._lengths.clear()
        for subscription in listening:
            self._call(subscription, CLOSED)
        if self._broker is not None:
            self._broker.close()

    def _heard(self, body: str) -> None:
        """A message from the broker: `[origin, [topics]]`. Our own was delivered when it was sent."""
        try:
            origin, topics = json.loads(body)
            names = [str(topic) for topic in topics]
        except (ValueError, TypeError):
            log.warning("bus_message_not_understood")
            return
        if origin != self._origin:
            for topic in names:
                self._deliver(topic)

    def _deliver(self, topic: str) -> None:
        for subscription in self._listeners(topic):
            self._call(subscription, topic)

    def _call(self, subscription: Subscription, topic: str) -> None:
        try:
            subscription.callback(topic)
        except Exception:
            # One listener's bug may not cost the others their wake-up, nor the sender its request.
            log.exception("bus_listener_failed", extra={"topic": topic})

    def _listeners(self, topic: str) -> list[Subscription]:
        with self._lock:
            return [
                subscription
                for length, prefixes in self._lengths.items()
                if prefixes and length <= len(topic)
                for subscription in self._by_prefix.get(topic[:length], ())
            ]
