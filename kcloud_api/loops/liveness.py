"""The loop that marks hosts as down that were not heard of for too long."""

import time
from collections.abc import Callable

from kcloud_api.bus import Bus
from kcloud_api.db.engine import Database
from kcloud_api.hosts import service as hosts
from kcloud_api.loops.loop import Loop
from kcloud_common.config import Conf


def start(database: Database, bus: Bus, conf: Conf) -> Loop:
    turn = liveness_turn(database, conf.hosts.down_after)
    return Loop("liveness", turn, bus, [], conf.hosts.liveness_interval)


def liveness_turn(
    database: Database, down_after: float, clock: Callable[[], float] = time.monotonic
) -> Callable[[], bool]:
    """One indexed query a turn; it writes only when a host fell silent.

    Hosts get `down_after` seconds from the start: while the control plane was away none of them could speak.
    """
    fair_from = clock() + down_after

    def turn() -> bool:
        if clock() < fair_from:
            return False
        with database.reading() as session:
            if not hosts.any_silent(session, down_after):
                return False
        with database.transaction() as session:
            hosts.mark_silent(session, down_after)
        return False

    return turn
