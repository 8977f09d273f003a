"""Carries wake-ups between processes over kombu: one fanout exchange, two threads, no guarantee.

The caller's thread never touches a connection. One thread sends what was gathered since it last sent (so a
storm of equal wake-ups is one message), one listens; each reconnects on its own for as long as it lives.
"""

import contextlib
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

EXCHANGE = "kcloud.wakes"
HEARTBEAT_SECONDS = 30
TICK_SECONDS = 5.0
"""How often an idle connection is looked after."""
RETRY_SECONDS = 2.0
CLOSE_SECONDS = 0.5
"""A thread that is deep in a read is left to end by itself: nothing that it does matters any more."""
MOST_PENDING = 10_000
"""Topics kept while the broker is away. More are dropped: whoever waits has a timer."""


class Broker:
    """`heard` gets the body of each message, the process's own included."""

    def __init__(self, url: str, heard: Callable[[str], None]) -> None:
        self._url = url
        self._heard = heard
        self._pending: dict[str, set[str]] = {}
        self._changed = threading.Condition()
        self._closing = False
        self.listening = threading.Event()
        """Set while a queue is bound: for tests and for `kcloud doctor`."""
        self._threads = [
            threading.Thread(target=self._run, args=("send", self._sending), name="bus-send", daemon=True),
            threading.Thread(target=self._run, args=("hear", self._hearing), name="bus-hear", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, origin: str, topics: frozenset[str]) -> None:
        """Queue topics for the sending thread; never blocks."""
        with self._changed:
            kept = self._pending.setdefault(origin, set())
            if len(kept) < MOST_PENDING:
                kept.update(topics)
            self._changed.notify_all()

    def pending(self) -> set[str]:
        """Topics that have not left yet."""
        with self._changed:
            return set().union(*self._pending.values())

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(CLOSE_SECONDS)

    def _run(self, what: str, work: "Callable[[Any, Any], None]") -> None:
        """Keep `work` going on a fresh connection each time it breaks. Says so once per outage."""
        from kombu.connection import Connection

        said = False
        while not self._closing:
            try:
                with Connection(self._url, heartbeat=HEARTBEAT_SECONDS, connect_timeout=5) as connection:
                    connection.connect()
                    if said:
                        log.info("bus_connected", extra={"direction": what})
                        said = False
                    work(connection, _exchange())
            except Exception as error:  # whatever a transport raises: a wake-up is never worth a crash
                if not said and not self._closing:
                    log.warning("bus_unreachable", extra={"direction": what, "error": str(error)})
                    said = True
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, RETRY_SECONDS)

    def _sending(self, connection: Any, exchange: Any) -> None:  # noqa: ANN401 - kombu has no types
        with connection.Producer(exchange=exchange, auto_declare=True) as producer:
            while not self._closing:
                batch = self._take()
                try:
                    while batch:
                        origin = next(iter(batch))
                        body = json.dumps([origin, sorted(batch[origin])])
                        producer.publish(body, content_type="text/plain", delivery_mode="transient")
                        del batch[origin]
                finally:
                    for origin, topics in batch.items():
                        self.send(origin, frozenset(topics))
                _keep_alive(connection)

    def _take(self) -> dict[str, set[str]]:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._pending) or self._closing, TICK_SECONDS)
            taken, self._pending = self._pending, {}
            return taken

    def _hearing(self, connection: Any, exchange: Any) -> None:  # noqa: ANN401
        from kombu.entity import Queue

        queue = Queue("", exchange=exchange, exclusive=True, auto_delete=True, durable=False)
        if connection.transport.driver_type == "memory":
            # Kombu's own in-memory transport (used by tests) cannot name queues by itself.
            queue.name = f"kcloud-{id(self)}"
        with connection.Consumer(queue, callbacks=[self._receive], no_ack=True):
            self.listening.set()
            try:
                while not self._closing:
                    with contextlib.suppress(TimeoutError):
                        connection.drain_events(timeout=TICK_SECONDS)
                    _keep_alive(connection, drain=False)
            finally:
                self.listening.clear()

    def _receive(self, body: object, _message: object) -> None:
        self._heard(str(body))


def _exchange() -> Any:  # noqa: ANN401
    from kombu.entity import Exchange

    return Exchange(EXCHANGE, type="fanout", durable=False, delivery_mode="transient")


def _keep_alive(connection: Any, *, drain: bool = True) -> None:  # noqa: ANN401
    """Answer the broker's heartbeats. A sender reads nothing else, so it must look for them itself."""
    if not connection.supports_heartbeats:
        return
    if drain:
        with contextlib.suppress(TimeoutError):
            connection.drain_events(timeout=0.001)
    connection.heartbeat_check()
