"""Makes the reason ledger of what a server would ask for: hosts that lack amounts, and those that have them
but not the devices together, or not the machine, that its flavor wants.
"""

from dataclasses import replace

from sqlmodel import Session

from kcloud_api.compute import choosing
from kcloud_api.compute.choosing import Wanted
from kcloud_api.placement import explaining
from kcloud_api.placement.ledger import MISSES, Ledger
from kcloud_api.placement.snapshot.keeper import Keeper
from kcloud_api.scheduler.apart import narrowed

MOST_HOSTS = 1024
"""Hosts that have the amounts and of which more is looked up, in the order in which a server would try them:
each costs its last report, and no column has what that says."""


def ledger(session: Session, wanted: Wanted, *, limit: int = MISSES, keeper: Keeper | None = None) -> Ledger:
    """Says the same as the fault of a server that finds no host. At most `limit` hosts are described."""
    found = explaining.ledger(session, wanted.request, limit=limit, keeper=keeper)
    if wanted.is_plain or not found.remaining:
        return found
    seen = choosing.passed_over(session, wanted, most=MOST_HOSTS, keep=limit, keeper=keeper)
    untried = max(0, found.remaining - seen.hosts) if seen.hosts >= MOST_HOSTS else 0
    return replace(narrowed(found, seen.apart), untried=untried)
