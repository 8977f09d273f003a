"""Gives one waiting server a host: chooses, claims and assigns in one transaction, or says why it cannot.

Allocation, devices and port are claimed together with the change of state, so no crash leaves one without the
other. Losing a race for a candidate undoes that candidate only (a savepoint) and the next one is tried.

A server for which there is no candidate is told why, and that looks at every host: so it is worked out
between two transactions, and nobody waits for it (loops/place.py).
"""

import logging
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select

from kcloud_api.accelerator import service as accelerator
from kcloud_api.compute import actions, assigning, choosing
from kcloud_api.compute.actions import CREATE
from kcloud_api.compute.choosing import Machines, Wanted
from kcloud_api.compute.guest_shape import guest_of
from kcloud_api.compute.records import FlavorSnapshot, ServerFault
from kcloud_api.compute.states import Event, State, after
from kcloud_api.compute.tables import ServerRow
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import wake_after_commit
from kcloud_api.network import service as network
from kcloud_api.placement import service as placement
from kcloud_api.placement.ledger import Ledger
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.keeper import Keeper
from kcloud_api.placement.ways import Candidate
from kcloud_api.scheduler import reasons
from kcloud_api.scheduler.apart import Apart, narrowed
from kcloud_api.scheduler.device_policy import device_policy
from kcloud_api.scheduler.request import from_flavor
from kcloud_api.scheduler.topology import Policy
from kcloud_common import log as logs
from kcloud_common.errors import BadRequest, OutOfCapacity, StaleGeneration

log = logging.getLogger(__name__)

CANDIDATES = 5
ROUNDS = 3
"""How often candidates are looked for in one turn; each round tries up to CANDIDATES of them."""
TURNS = 20
"""How many turns may lose every race before the server is told so."""


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A server that still waits: no host is a candidate for what it asks. `apart`: hosts that are, but not
    with their devices, or the machine around them, as its flavor wants them."""

    server_id: UUID
    request: ResourceRequest
    apart: Apart


@dataclass(frozen=True, slots=True)
class _Search:
    """How hosts are looked for: by which policy where a flavor has none, in whose snapshot, and who knows
    what machines they can make."""

    policy: Policy
    keeper: Keeper | None
    machines: Machines | None


def place_next(
    session: Session,
    policy: Policy = Policy.PACK,
    keeper: Keeper | None = None,
    machines: Machines | None = None,
) -> UUID | Unplaced | None:
    """Place the server that waits longest, or give it a fault; its id, or None when none waits. Unplaced is
    to be explained and then refused. `policy` is for devices of which the flavor says nothing; hosts are
    found in the snapshot of `keeper`, or in SQL."""
    row = session.exec(
        select(ServerRow)
        .where(ServerRow.state == State.PLACING)
        .order_by(col(ServerRow.created_at), col(ServerRow.id))
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).first()
    if row is None:
        return None
    with logs.asked_by(actions.requests(session, [row.id]).get(row.id, "")):
        unplaced = _decide(session, row, _Search(policy, keeper, machines))
    session.flush()
    return unplaced or row.id


def refuse(session: Session, unplaced: Unplaced, ledger: Ledger) -> None:
    """Tell a server why no host takes it, unless it was deleted or placed since. Where the ledger knows a
    host that takes it (one became free meanwhile) the next turn tries again."""
    row = session.exec(
        select(ServerRow)
        .where(ServerRow.id == unplaced.server_id, ServerRow.state == State.PLACING)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if row is None:
        return
    ledger = narrowed(ledger, unplaced.apart)
    with logs.asked_by(actions.requests(session, [row.id]).get(row.id, "")):
        if ledger.remaining:
            _lose(session, row, "a host became free, and was taken")
        else:
            told = reasons.explain(ledger)
            _fault(session, row, "no_candidates", told.message, told.details)
    session.flush()


def _decide(session: Session, row: ServerRow, search: _Search) -> Unplaced | None:
    try:
        with session.begin_nested():
            return _place(session, row, search)
    except BadRequest as error:
        _fault(session, row, error.code, error.message)
    except OperationalError:
        # The database is busy or away: the next turn is the retry.
        raise
    except Exception as error:
        # One server that cannot even be considered must not keep all later ones waiting.
        log.exception("placing_failed", extra={"server_id": str(row.id)})
        _fault(session, row, "internal_error", "The server could not be placed.", repr(error))
    return None


def _place(session: Session, row: ServerRow, search: _Search) -> Unplaced | None:
    flavor = FlavorSnapshot.model_validate(row.flavor).shape
    policy = device_policy(flavor.extra_specs, search.policy)
    wanted = Wanted(from_flavor(flavor), policy, guest_of(flavor), search.machines)
    lost = "no candidate was left"
    for _ in range(ROUNDS):
        found = choosing.candidates(session, wanted, limit=CANDIDATES, keeper=search.keeper)
        if not found.candidates:
            return Unplaced(row.id, wanted.request, found.apart)
        for candidate in found.candidates:
            try:
                with session.begin_nested():
                    _claim(session, row, candidate)
                return None
            except (OutOfCapacity, StaleGeneration) as error:
                lost = error.message
    _lose(session, row, lost)
    return None


def _claim(session: Session, row: ServerRow, candidate: Candidate) -> None:
    assigning.changed(session, candidate.host_id)
    host_name = assigning.host_name(session, candidate.host_id)
    consumer = placement.ConsumerRecord(id=row.id, project_id=row.project_id, user_id=row.user_id)
    placement.claim(session, consumer, candidate)
    claims = accelerator.claim(session, row.id, candidate.allocations, project_id=row.project_id)
    network.create_port(session, row.id, row.project_id)
    now = utcnow()
    row.state = after(State(row.state), Event.PLACED)
    row.host_id = candidate.host_id
    row.host_name = host_name
    row.updated_at = now
    row.generation += 1
    actions.step(session, row.id, CREATE, host_name=host_name, now=now)
    session.flush()
    facts = {"server_id": str(row.id), "host": host_name}
    if claims:
        facts["devices"] = " ".join(claim.device for claim in claims)
    log.info("server_placed", extra=facts)


def _lose(session: Session, row: ServerRow, last: str) -> None:
    """Others were first each time. The next turn tries again; there is an end to it."""
    row.placing_attempts += 1
    log.warning("placing_lost", extra={"server_id": str(row.id), "attempts": row.placing_attempts})
    if row.placing_attempts >= TURNS:
        message = f"No valid host was found. Others were first {TURNS} times; ask again."
        _fault(session, row, "out_of_capacity", message, last)


def _fault(session: Session, row: ServerRow, reason: str, message: str, details: str = "") -> None:
    now = utcnow()
    row.state = after(State(row.state), Event.UNPLACEABLE)
    row.updated_at = now
    row.fault = ServerFault(
        reason=reason, message=message, details=details, created=now, generation=row.generation
    ).model_dump(mode="json")
    actions.fail(session, row.id, now=now, details=message)
    wake_after_commit(session, f"server:{row.id}")
    log.info("server_unplaceable", extra={"server_id": str(row.id), "reason": reason, "why": message})
