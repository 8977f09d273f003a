"""The loop that gives waiting servers their hosts."""

from kcloud_api.bus import Bus
from kcloud_api.compute.placing import place_next
from kcloud_api.db.engine import Database
from kcloud_api.loops.loop import Loop
from kcloud_common.config import Conf


def start(database: Database, bus: Bus, conf: Conf) -> Loop:
    """Several may run, in several controllers: each takes a server that no other has taken."""

    def turn() -> bool:
        with database.transaction() as session:
            return place_next(session) is not None

    return Loop("place", turn, bus, ["place"], conf.compute.place_interval)
