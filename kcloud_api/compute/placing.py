"""Gives one waiting server a host: chooses, claims and assigns in one transaction, or says why it cannot.

Allocation, devices and port are claimed together with the change of state, so no crash leaves one without the
other. Losing a race for a candidate undoes that candidate only (a savepoint) and the next one is tried.
"""

import logging
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select

from kcloud_api.accelerator import service as accelerator
from kcloud_api.compute import actions, assigning
from kcloud_api.compute.actions import CREATE
from kcloud_api.compute.records import FlavorSnapshot, ServerFault
from kcloud_api.compute.states import Event, State, after
from kcloud_api.compute.tables import ServerRow
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import wake_after_commit
from kcloud_api.network import service as network
from kcloud_api.placement import service as placement
from kcloud_api.placement.candidates import Candidate, Refusal
from kcloud_api.scheduler import reasons
from kcloud_api.scheduler.request import from_flavor
from kcloud_common import log as logs
from kcloud_common.errors import BadRequest, OutOfCapacity, StaleGeneration

log = logging.getLogger(__name__)

CANDIDATES = 5
ROUNDS = 3
"""How often candidates are looked for in one turn; each round tries up to CANDIDATES of them."""
TURNS = 20
"""How many turns may lose every race before the server is told so."""


def place_next(session: Session) -> UUID | None:
    """Place the server that waits longest, or give it a fault; its id, or None when none waits."""
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
        _decide(session, row)
    session.flush()
    return row.id


def _decide(session: Session, row: ServerRow) -> None:
    try:
        with session.begin_nested():
            _place(session, row)
    except BadRequest as error:
        _fault(session, row, error.code, error.message)
    except OperationalError:
        # The database is busy or away: the next turn is the retry.
        raise
    except Exception as error:
        # One server that cannot even be considered must not keep all later ones waiting.
        log.exception("placing_failed", extra={"server_id": str(row.id)})
        _fault(session, row, "internal_error", "The server could not be placed.", repr(error))


def _place(session: Session, row: ServerRow) -> None:
    request = from_flavor(FlavorSnapshot.model_validate(row.flavor).shape)
    lost = "no candidate was left"
    for _ in range(ROUNDS):
        result = placement.candidates(session, request, limit=CANDIDATES)
        if not result.candidates:
            _refuse(session, row, result.refusals)
            return
        for candidate in result.candidates:
            try:
                with session.begin_nested():
                    _claim(session, row, candidate)
                return
            except (OutOfCapacity, StaleGeneration) as error:
                lost = error.message
    _lose(session, row, lost)


def _claim(session: Session, row: ServerRow, candidate: Candidate) -> None:
    assigning.changed(session, candidate.host_id)
    host_name = assigning.host_name(session, candidate.host_id)
    consumer = placement.ConsumerRecord(id=row.id, project_id=row.project_id, user_id=row.user_id)
    placement.claim(session, consumer, candidate)
    accelerator.claim(session, row.id, candidate.allocations)
    network.create_port(session, row.id, row.project_id)
    now = utcnow()
    row.state = after(State(row.state), Event.PLACED)
    row.host_id = candidate.host_id
    row.host_name = host_name
    row.updated_at = now
    row.generation += 1
    actions.step(session, row.id, CREATE, host_name=host_name, now=now)
    session.flush()
    log.info("server_placed", extra={"server_id": str(row.id), "host": host_name})


def _refuse(session: Session, row: ServerRow, refusals: Sequence[Refusal]) -> None:
    told = reasons.explain(refusals)
    _fault(session, row, "no_candidates", told.message, told.details)


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
