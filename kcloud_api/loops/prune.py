"""The loop that lets the database forget what nobody will ask for again: placement's old changes."""

from collections.abc import Callable

from kcloud_api.bus import Bus
from kcloud_api.db.engine import Database
from kcloud_api.loops.loop import Loop
from kcloud_api.placement.snapshot import journal
from kcloud_common.config import Conf


def start(database: Database, bus: Bus, conf: Conf) -> Loop:
    turn = prune_turn(database, conf.placement.journal_retention)
    return Loop("prune", turn, bus, [], conf.placement.prune_interval)


def prune_turn(database: Database, retention: float) -> Callable[[], bool]:
    """One indexed query a turn; it writes only when there is something old enough."""

    def turn() -> bool:
        with database.reading() as session:
            if not journal.any_older(session, retention):
                return False
        with database.transaction() as session:
            journal.prune(session, retention)
        return False

    return turn
