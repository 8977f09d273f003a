"""POST /servers/{id}/action, and what was done to a server.

`act` is async because a console log is waited for: no thread, transaction or lock is held meanwhile.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams

from kcloud_api.compute import actions, bodies, policies, reading, service, versions, views
from kcloud_api.compute.console import tail
from kcloud_api.compute.flavors.listing import read_limit
from kcloud_api.compute.flavors.wire import next_link
from kcloud_api.compute.query import moment
from kcloud_api.compute.records import ActionQuery, ConsoleLog, ServerRecord
from kcloud_api.compute.server_routes import own, viewer
from kcloud_api.db.engine import Database
from kcloud_api.http.context import Caller, CallerDep
from kcloud_api.http.microversions import version_of
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_api.http.waiting import nudged_by
from kcloud_common.errors import BadRequest, NotFound

router = APIRouter()

CONSOLE = "os-getConsoleOutput"
LOOK_AGAIN = 1.0
"""Seconds after which the log is looked for even though no wake-up came."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Deed:
    """One action: who may, what it takes, what it does."""

    rule: str
    arguments: type[BaseModel]
    do: Callable[[Session, Caller, str, Any], object]


DEEDS: Mapping[str, Deed] = {
    "os-start": Deed(
        policies.START, bodies.NoArguments, lambda s, c, server_id, _: service.start_server(s, c, server_id)
    ),
    "os-stop": Deed(
        policies.STOP, bodies.NoArguments, lambda s, c, server_id, _: service.stop_server(s, c, server_id)
    ),
    "reboot": Deed(
        policies.REBOOT,
        bodies.RebootArguments,
        lambda s, c, server_id, how: service.reboot_server(s, c, server_id, hard=how.type == "HARD"),
    ),
    "forceDelete": Deed(
        policies.DELETE, bodies.NoArguments, lambda s, c, server_id, _: service.delete_server(s, c, server_id)
    ),
    CONSOLE: Deed(
        policies.CONSOLE_OUTPUT,
        bodies.ConsoleArguments,
        lambda s, c, server_id, _: service.ask_console(s, c, server_id),
    ),
}


@router.post("/servers/{server_id}/action")
async def act(request: Request, server_id: str, body: Annotated[dict[str, Any], Body()]) -> Response:
    if len(body) != 1:
        raise BadRequest(f"There is no such action: {', '.join(body) or 'none was named'}")
    name, value = next(iter(body.items()))
    deed = DEEDS.get(name)
    if deed is None:
        raise BadRequest(f"There is no such action: {name}")
    arguments = _arguments(deed, name, value)
    done = await run_in_threadpool(
        _as_caller, request, deed.rule, lambda s, c: deed.do(s, c, server_id, arguments)
    )
    if isinstance(arguments, bodies.ConsoleArguments) and isinstance(done, ServerRecord):
        log = await _fresh_console(request, done)
        return JSONResponse({"output": tail(log.text, arguments.length)})
    return Response(status_code=202)


@router.get("/servers/{server_id}/os-instance-actions")
def list_actions(request: Request, session: SessionDep, caller: CallerDep, server_id: str) -> dict[str, Any]:
    server = reading.get_server(session, caller, server_id, deleted=True)
    allow(request, caller, policies.ACTIONS, {"project_id": server.project_id})
    version = version_of(request)
    # Older clients know of no pages: to them a server has its newest actions only.
    query = request.query_params if version >= versions.ACTIONS_PAGED else QueryParams()
    wanted = ActionQuery(
        limit=read_limit(query),
        marker=query.get("marker"),
        since=moment(query, "changes-since"),
        before=moment(query, "changes-before") if version >= versions.ACTIONS_BEFORE else None,
    )
    if wanted.since is not None and wanted.before is not None and wanted.since > wanted.before:
        raise BadRequest(
            "The value of changes-since must be less than or equal to changes-before.", field="changes-since"
        )
    found = actions.list_actions(session, server.id, wanted)
    shown = {"instanceActions": [versions.action(views.action(each), version) for each in found]}
    links = next_link(request, [str(each.id) for each in found], wanted.limit)
    return {**shown, "links": links} if links and version >= versions.ACTIONS_PAGED else shown


@router.get("/servers/{server_id}/os-instance-actions/{request_id}")
def show_action(
    request: Request, session: SessionDep, caller: CallerDep, server_id: str, request_id: str
) -> dict[str, Any]:
    server = reading.get_server(session, caller, server_id, deleted=True)
    allow(request, caller, policies.ACTION, {"project_id": server.project_id})
    found = actions.get_action(session, server.id, request_id)
    if found is None:
        raise NotFound(f"Action for request_id {request_id} on instance {server.id} not found")
    view = views.action_with_events(viewer(request, caller), found)
    return {"instanceAction": versions.action(view, version_of(request))}


def _arguments(deed: Deed, name: str, value: object) -> BaseModel:
    if deed.arguments is bodies.NoArguments:
        return bodies.NoArguments()
    try:
        return deed.arguments.model_validate(value)
    except ValidationError as error:
        found = [{**fault, "loc": ("body", name, *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(found, body={name: value}) from error


def _as_caller(request: Request, rule: str, work: Callable[[Session, Caller], Result]) -> Result:
    """One transaction that says who asks, whether he may, and does it; for use in a thread."""
    database: Database = request.app.state.database
    with database.transaction() as session:
        caller: Caller = request.app.state.authenticate(session, request)
        allow(request, caller, rule, own(caller))
        return work(session, caller)


async def _fresh_console(request: Request, server: ServerRecord) -> ConsoleLog:
    """The log that answers this request, or after `console_wait` seconds what there is."""
    until = time.monotonic() + request.app.state.conf.compute.console_wait
    with nudged_by(request.app.state.bus, f"server:{server.id}") as nudge:
        while True:
            log = await run_in_threadpool(_console_log, request.app.state.database, server)
            left = until - time.monotonic()
            if log.count >= server.console_count or left <= 0:
                return log
            await nudge.wait(min(left, LOOK_AGAIN))


def _console_log(database: Database, server: ServerRecord) -> ConsoleLog:
    with database.reading() as session:
        return service.console_log(session, server.id)
