"""Sends a request to the service whose prefix its path has, and answers `/`, /healthcheck and /metrics."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus

from anyio import to_thread
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kcloud_api.db.engine import Database
from kcloud_api.http import metrics

log = logging.getLogger(__name__)

AT_ROOT = ""


class Prefixes:
    """`services` by prefix (`/identity`); the one under AT_ROOT gets what no other prefix takes."""

    def __init__(self, services: Mapping[str, ASGIApp], database: Database) -> None:
        self._services = dict(services)
        self._own: dict[str, Callable[[Request], Response]] = {
            "/healthcheck": lambda _request: healthcheck(database),
            "/metrics": lambda _request: metrics.exposition(),
        }
        if AT_ROOT not in services:
            self._own["/"] = self._index

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        own = self._own.get(path)
        if own is not None:
            answer = await self._answer(own, Request(scope))
            await answer(scope, receive, send)
            return
        prefix = "/" + path.split("/", 2)[1] if path.startswith("/") else AT_ROOT
        service = self._services.get(prefix)
        if service is None:
            service, prefix = self._services.get(AT_ROOT, _nothing_here), AT_ROOT
        if prefix:
            inner = path if path != prefix else path + "/"
            scope = {**scope, "root_path": scope.get("root_path", "") + prefix, "path": inner}
        scope["state"]["service"] = prefix.lstrip("/") or "root"
        await service(scope, receive, send)

    async def _answer(self, own: Callable[[Request], Response], request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _plain_error(HTTPStatus.METHOD_NOT_ALLOWED)
        return await to_thread.run_sync(own, request)

    def _index(self, request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        links = {prefix.lstrip("/"): f"{base}{prefix}/" for prefix in sorted(self._services)}
        return JSONResponse({"name": "kcloud", "services": links})


def healthcheck(database: Database) -> Response:
    """200 `OK` when the database answers; a load balancer then sends requests here."""
    try:
        with database.reading() as session:
            session.connection().execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        log.warning("healthcheck_failed", extra={"error": str(error)})
        return PlainTextResponse("the database does not answer", HTTPStatus.SERVICE_UNAVAILABLE)
    return PlainTextResponse("OK")


def _plain_error(status: HTTPStatus) -> Response:
    body = {"error": {"code": status.value, "title": status.phrase, "message": status.description}}
    return JSONResponse(body, status.value)


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    await _plain_error(HTTPStatus.NOT_FOUND)(scope, receive, send)
