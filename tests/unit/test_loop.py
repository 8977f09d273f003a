"""A loop runs on a nudge and on a timer, survives its turns' errors and ends when it is told to."""

import logging
import threading
from collections.abc import Callable

import pytest

from kcloud_api.bus import Bus
from kcloud_api.loops import loop as module
from kcloud_api.loops.loop import Loop

FOREVER = 3600.0
SOON = 10.0


class Turns:
    """Counts turns; a test waits until there were enough."""

    def __init__(self, do: Callable[[int], bool] = lambda _number: False) -> None:
        self._do = do
        self._changed = threading.Condition()
        self.count = 0

    def __call__(self) -> bool:
        with self._changed:
            self.count += 1
            self._changed.notify_all()
            number = self.count
        return self._do(number)

    def reached(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= count, SOON)


def test_it_runs_at_once_and_then_on_every_nudge() -> None:
    bus, turns = Bus(), Turns()
    loop = Loop("test", turns, bus, ["place"], FOREVER)
    try:
        assert turns.reached(1)
        bus.wake(["place"])
        assert turns.reached(2)
    finally:
        loop.close()


def test_it_runs_on_its_timer_when_every_nudge_is_lost() -> None:
    turns = Turns()
    loop = Loop("test", turns, Bus(), [], 0.01)
    try:
        assert turns.reached(3)
    finally:
        loop.close()


def test_a_turn_that_found_work_is_followed_by_another_at_once() -> None:
    turns = Turns(lambda number: number < 5)
    loop = Loop("test", turns, Bus(), [], FOREVER)
    try:
        assert turns.reached(5)
    finally:
        loop.close()
    assert turns.count == 5


def test_a_turn_that_fails_is_logged_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(number: int) -> bool:
        if number < 3:
            raise RuntimeError("no")
        return False

    monkeypatch.setattr(module, "PAUSE_AFTER_ERROR", 0.001)
    turns = Turns(fail)
    with caplog.at_level(logging.ERROR):
        loop = Loop("test", turns, Bus(), [], 0.001)
        try:
            assert turns.reached(3)
        finally:
            loop.close()
    assert "loop_turn_failed" in caplog.text


def test_closing_ends_it_also_while_it_waits() -> None:
    turns = Turns()
    loop = Loop("test", turns, Bus(), [], FOREVER)
    assert turns.reached(1)
    loop.close()
    loop.close()
    assert turns.count == 1
