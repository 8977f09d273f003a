"""The bus: who is woken, and what a broker that is down, or one bad listener, may not do."""

import queue
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from kcloud_api.broker import Broker
from kcloud_api.bus import CLOSED, Bus


@pytest.fixture
def bus() -> Iterator[Bus]:
    opened = Bus("memory://")
    yield opened
    opened.close()


def test_a_subscriber_hears_every_topic_with_its_prefix_and_no_other(bus: Bus) -> None:
    heard: list[str] = []
    bus.subscribe("assignment:", heard.append)
    bus.wake(["assignment:7", "assignment:8", "place", "assign"])
    assert sorted(heard) == ["assignment:7", "assignment:8"]


def test_an_empty_prefix_hears_everything(bus: Bus) -> None:
    heard: list[str] = []
    bus.subscribe("", heard.append)
    bus.wake(["place"])
    assert heard == ["place"]


def test_a_closed_subscription_hears_nothing_and_closing_twice_is_fine(bus: Bus) -> None:
    heard: list[str] = []
    with bus.subscribe("place", heard.append) as first:
        other = bus.subscribe("place", heard.append)
        first.close()
    bus.wake(["place"])
    assert heard == ["place"]
    other.close()
    bus.wake(["place"])
    assert heard == ["place"]


def test_a_listener_that_fails_costs_neither_the_sender_nor_the_others_anything(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_topic: str) -> None:
        raise RuntimeError("bug")

    heard: list[str] = []
    bus.subscribe("place", fail)
    bus.subscribe("pl", heard.append)
    bus.wake(["place"])
    assert heard == ["place"]
    assert "bus_listener_failed" in caplog.text


def test_closing_tells_every_subscriber_once(bus: Bus) -> None:
    heard: list[str] = []
    bus.subscribe("place", heard.append)
    bus.subscribe("assignment:7", heard.append)
    bus.close()
    bus.close()
    bus.wake(["place"])
    assert heard == [CLOSED, CLOSED]


def test_the_in_memory_bus_needs_no_thread() -> None:
    before = threading.active_count()
    bus = Bus("memory://")
    assert threading.active_count() == before
    bus.close()


def test_a_broker_that_is_down_neither_blocks_nor_fails_a_wake_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    bus = Bus(f"amqp://guest:guest@127.0.0.1:{port}//")
    heard: list[str] = []
    bus.subscribe("place", heard.append)
    started = time.monotonic()
    for _ in range(100):
        bus.wake(["place"])
    assert time.monotonic() - started < 1
    assert heard == ["place"] * 100
    bus.close()


def test_two_processes_wake_each_other_through_the_broker() -> None:
    """Kombu's in-memory transport stands for the broker: the same threads, exchange and queues."""
    heard: queue.Queue[str] = queue.Queue()
    listener = Broker("memory://", heard.put)
    sender = Broker("memory://", lambda _body: None)
    try:
        assert listener.listening.wait(5)
        sender.send("me", frozenset({"place"}))
        assert heard.get(timeout=5) == '["me", ["place"]]'
    finally:
        for broker in (listener, sender):
            broker.close()


def test_wake_ups_gathered_while_the_broker_was_away_are_kept_once_each() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    broker = Broker(f"amqp://guest:guest@127.0.0.1:{port}//", lambda _body: None)
    try:
        for _ in range(50):
            broker.send("me", frozenset({"place", "server:1"}))
        assert broker.pending() == {"place", "server:1"}
    finally:
        broker.close()
