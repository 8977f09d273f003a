"""What agents ask of the control plane. A host's credential opens what belongs to that host and nothing else.

The assignment is held open until it changes: such a request costs one sleeping coroutine, no thread and no
connection to the database, so that one process can hold thousands.
"""

import time
from collections.abc import Callable
from typing import Annotated, TypeVar
from uuid import UUID

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import FileResponse
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from kcloud_api.compute import assigning
from kcloud_api.db.engine import Database
from kcloud_api.hosts import credential, enrolling, report_body, reporting
from kcloud_api.hosts.credential import HostDep
from kcloud_api.http.transaction import SessionDep
from kcloud_api.http.waiting import nudged_by
from kcloud_api.image import service as images
from kcloud_common.errors import NotFound, TooLarge
from kcloud_common.wire import Assignment, Enrolled, Enrolment, HostSession, ReportAck

router = APIRouter()

CONSOLE_MAX = 256 * 1024
ASSIGNMENTS_AT_ONCE = 8
"""That one process reads. Its other requests share forty threads with them."""

Result = TypeVar("Result")


@router.post("/enrol")
def enrol(
    session: SessionDep, body: Enrolment, token: Annotated[str, Header(alias=credential.TOKEN_HEADER)] = ""
) -> Enrolled:
    return enrolling.enrol(session, token, body)


@router.post("/hosts/{host_id}/session")
def open_session(session: SessionDep, host: HostDep) -> HostSession:
    return reporting.open_session(session, host)


async def _body(request: Request) -> bytes:
    return await request.body()


@router.put("/hosts/{host_id}/report")
def report(body: Annotated[bytes, Depends(_body)], session: SessionDep, host: HostDep) -> ReportAck:
    """Of a HostReport as JSON. Read by hand, for mostly nearly all of it is known: see report_body.py. The
    body is the first to be waited for: the session may be the only one that may write."""
    return reporting.take_report(session, host, report_body.read(body))


@router.get("/hosts/{host_id}/assignment")
async def assignment(
    request: Request,
    host_id: UUID,
    after: Annotated[int, Query(ge=0)] = 0,
    wait: Annotated[float, Query(ge=0)] = 0.0,
) -> Assignment:
    """The whole assignment: at once when it is another than `after`, else when it changes or `wait` ends."""
    conf = request.app.state.conf.hosts
    until = time.monotonic() + min(wait, conf.poll_wait)
    with nudged_by(request.app.state.bus, f"assignment:{host_id}") as nudge:
        number = await run_in_threadpool(_hello, request, host_id)
        while number == after and await nudge.wait(until - time.monotonic()):
            newer = await _read(request, lambda session: _newer(session, host_id, after))
            if newer is not None:
                return newer
    return await _read(request, lambda session: reporting.assignment(session, host_id))


def _newer(session: Session, host_id: UUID, after: int) -> Assignment | None:
    if assigning.generation(session, host_id) == after:
        return None
    return reporting.assignment(session, host_id)


def _hello(request: Request, host_id: UUID) -> int:
    """Check the credential, note the sign of life, and tell the number of the newest assignment."""
    database: Database = request.app.state.database
    each = request.app.state.conf.hosts.touch_interval
    with database.reading() as session:
        credential.check(request, session, host_id)
        stale = reporting.needs_touch(session, host_id, at_most_each=each)
        number = assigning.generation(session, host_id)
    if stale:
        with database.transaction() as session:
            reporting.touch(session, host_id, at_most_each=each)
    return number


async def _read(request: Request, question: Callable[[Session], Result]) -> Result:
    def ask() -> Result:
        with request.app.state.database.reading() as session:
            return question(session)

    # A layout for all hosts wakes thousands at once: what others ask must not queue behind them.
    async with _few(request):
        return await run_in_threadpool(ask)


def _few(request: Request) -> CapacityLimiter:
    """Of this process's app, made within its event loop."""
    state = request.app.state
    if not hasattr(state, "assignments_at_once"):
        state.assignments_at_once = CapacityLimiter(ASSIGNMENTS_AT_ONCE)
    found: CapacityLimiter = state.assignments_at_once
    return found


@router.get("/hosts/{host_id}/images/{image_id}")
def image(request: Request, session: SessionDep, host: HostDep, image_id: UUID) -> FileResponse:
    """The data of an image, if a server of this host is made from it."""
    if not assigning.uses_image(session, host, image_id):
        raise NotFound(f"No server of this host uses image {image_id}.")
    path = images.data_path(request.app.state.conf.image, image_id)
    if not path.is_file():
        raise NotFound(f"The data of image {image_id} is not there (any more).")
    return FileResponse(path, media_type="application/octet-stream")


@router.put("/hosts/{host_id}/servers/{server_id}/console", status_code=204)
async def console(
    request: Request, host_id: UUID, server_id: UUID, count: Annotated[int, Query(ge=0)]
) -> None:
    """The tail of a server's console log, in answer to the `count` that the assignment had."""
    await _read(request, lambda session: credential.check(request, session, host_id))
    log = bytearray()
    async for piece in request.stream():
        log += piece
        if len(log) > CONSOLE_MAX:
            raise TooLarge(f"A console log may have {CONSOLE_MAX} bytes at most: send its tail.")

    def keep() -> bool:
        with request.app.state.database.transaction() as session:
            return assigning.store_console(session, host_id, server_id, count, bytes(log))

    if not await run_in_threadpool(keep):
        raise NotFound(f"Server {server_id} is not on this host.")
