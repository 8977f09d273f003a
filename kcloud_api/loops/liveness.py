"""The loop that marks hosts as down that were not heard of for too long."""

from kcloud_api.bus import Bus
from kcloud_api.db.engine import Database
from kcloud_api.hosts import service as hosts
from kcloud_api.loops.loop import Loop
from kcloud_common.config import Conf


def start(database: Database, bus: Bus, conf: Conf) -> Loop:
    """One indexed query a turn; it writes only when a host fell silent."""
    down_after = conf.hosts.down_after

    def turn() -> bool:
        with database.reading() as session:
            if not hosts.any_silent(session, down_after):
                return False
        with database.transaction() as session:
            hosts.mark_silent(session, down_after)
        return False

    return Loop("liveness", turn, bus, [], conf.hosts.liveness_interval)
