"""The loop that lets the database forget what nobody will ask for again: placement's old changes, and what is
over of devices."""

from collections.abc import Callable

from kcloud_api.accelerator import service as accelerator
from kcloud_api.bus import Bus
from kcloud_api.db.engine import Database
from kcloud_api.loops.loop import Loop
from kcloud_api.placement.snapshot import journal
from kcloud_common.config import Conf


def start(database: Database, bus: Bus, conf: Conf) -> Loop:
    ages = accelerator.Ages(conf.accelerator.certificate_retention, conf.accelerator.lease_retention)
    changes = prune_turn(database, conf.placement.journal_retention)
    devices = devices_turn(database, ages)
    # Each of them: `or` would leave the second out while the first has more.
    return Loop("prune", lambda: any([changes(), devices()]), bus, [], conf.placement.prune_interval)


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


def devices_turn(database: Database, ages: accelerator.Ages) -> Callable[[], bool]:
    """A few indexed queries a turn; a bounded part is written at a time, and others may write in between."""

    def turn() -> bool:
        with database.reading() as session:
            if not accelerator.any_old(session, ages):
                return False
        with database.transaction() as session:
            return accelerator.forget_old(session, ages)

    return turn
