"""Who may do what is dear, who waits for it, and who is sent away."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from kcloud_api.http.turns import Turns
from kcloud_common.errors import Unavailable


def test_whom_nobody_expects_is_sent_away_at_once() -> None:
    turns = Turns(at_once=1, waiting=0, patience=3600)
    with turns.turn(), pytest.raises(Unavailable), turns.turn():
        pass


def test_who_waits_gets_his_turn() -> None:
    turns, inside, leave = Turns(at_once=1, waiting=1, patience=3600), Event(), Event()

    def hold() -> None:
        with turns.turn():
            inside.set()
            leave.wait()

    with ThreadPoolExecutor() as threads:
        first = threads.submit(hold)
        inside.wait()
        second = threads.submit(hold)
        leave.set()
        first.result()
        second.result()


def test_whose_patience_has_ended_leaves_his_place_to_another() -> None:
    turns = Turns(at_once=1, waiting=1, patience=0.001)
    with turns.turn():
        for _ in range(3):
            with pytest.raises(Unavailable), turns.turn():
                pass
    with turns.turn():
        pass
