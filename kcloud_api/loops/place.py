"""The loop that gives waiting servers their hosts."""

import logging

from sqlalchemy.exc import OperationalError

from kcloud_api.bus import Bus
from kcloud_api.compute.placing import Unplaced, place_next, refuse
from kcloud_api.db.engine import Database
from kcloud_api.hosts.machines import machines_of
from kcloud_api.loops.loop import Loop
from kcloud_api.placement import explaining
from kcloud_api.placement.ledger import UNKNOWN, Ledger
from kcloud_api.placement.snapshot.keeper import Keeper, keeper_of
from kcloud_api.scheduler.topology import Policy
from kcloud_common.config import Conf

log = logging.getLogger(__name__)


def start(database: Database, bus: Bus, conf: Conf) -> Loop:
    """Several may run, in several controllers: each takes a server that no other has taken."""
    keeper = keeper_of(database, conf.placement)
    policy = Policy(conf.scheduler.device_policy)

    def turn() -> bool:
        return place_one(database, keeper, policy)

    return Loop("place", turn, bus, ["place"], conf.compute.place_interval)


def place_one(database: Database, keeper: Keeper | None = None, policy: Policy = Policy.PACK) -> bool:
    """Place or refuse the server that waits longest; False when none waits. A refusal is worked out without a
    lock: a server that another turn has placed or refused meanwhile is left alone."""
    with database.transaction() as session:
        outcome = place_next(session, policy, keeper, machines_of)
    if isinstance(outcome, Unplaced):
        ledger = _ledger(database, outcome, keeper)
        with database.transaction() as session:
            refuse(session, outcome, ledger)
    return outcome is not None


def _ledger(database: Database, unplaced: Unplaced, keeper: Keeper | None) -> Ledger:
    try:
        with database.reading() as session:
            return explaining.ledger(session, unplaced.request, keeper=keeper)
    except OperationalError:
        # The database is busy or away: the next turn is the retry.
        raise
    except Exception:
        # That nobody can say why must not keep all later servers waiting.
        log.exception("explaining_failed", extra={"server_id": str(unplaced.server_id)})
        return UNKNOWN
