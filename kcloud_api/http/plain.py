"""Answers a request whose functions are plain ones: reads its body here, then runs them in one thread."""

import asyncio
import email.message
import inspect
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from functools import cache, partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.datastructures import DefaultPlaceholder
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic_core import PydanticUndefined
from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from kcloud_api.http.paths import Entry, PathIndex
from kcloud_api.http.steps import Call, NotPlain, Step, Walk, coroutines_of, step_of

THREADS = 40
"""Requests of one process that may wait for the database at the same time."""
BODILESS = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})


@cache
def _threads() -> ThreadPoolExecutor:
    """Of this process, whatever number of services it has. Started by requests, one at a time."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="request")


class PlainRoute:
    """A declared route, ready to run. Raises NotPlain where FastAPI must run it."""

    def __init__(self, route: RouteContext) -> None:
        endpoint = route.endpoint
        if endpoint is None or inspect.iscoroutinefunction(endpoint) or inspect.isgeneratorfunction(endpoint):
            raise NotPlain
        if inspect.isasyncgenfunction(endpoint) or not isinstance(route.original_route, APIRoute):
            raise NotPlain
        self.has_document = route.body_field is not None
        if self.has_document and isinstance(route.body_field.field_info, Form):
            raise NotPlain
        self.declared = route.original_route
        self.step: Step = step_of(route.dependant)
        self.coroutines: tuple[Call, ...] = coroutines_of(self.step)
        self._embedded = bool(route._embed_body_fields)
        self._status: int | None = route.status_code
        self._field = route.response_field
        response_class = route.response_class
        self._is_default_class = isinstance(response_class, DefaultPlaceholder)
        self._response_class: type[Response] = (
            response_class.value if isinstance(response_class, DefaultPlaceholder) else response_class
        )
        self._shown: Mapping[str, Any] = {
            name: getattr(route, f"response_model_{name}")
            for name in (
                "include", "exclude", "by_alias", "exclude_unset", "exclude_defaults", "exclude_none"
            )
        }  # fmt: skip

    def run(self, request: Request, body: object, known: dict[Call, Any]) -> Response:
        """Everything that may wait. The transaction, if there is one, has ended when this returns."""
        with ExitStack() as stack:
            walk = Walk(request, body, self._embedded, stack, known, errors=[])
            values = walk.values(self.step)
            if walk.errors:
                raise RequestValidationError(walk.errors, body=None if body is PydanticUndefined else body)
            return self._answer(self.step.call(**values), walk.response)

    def _answer(self, made: object, shared: Response | None) -> Response:
        if isinstance(made, Response):
            return made
        status = self._status or (shared.status_code if shared is not None else None) or HTTPStatus.OK
        if shared is not None and shared.status_code:
            status = shared.status_code
        if self._field is not None:
            value, wrong = self._field.validate(made, {}, loc=("response",))
            if wrong:
                raise ResponseValidationError(errors=wrong, body=made)
            if self._is_default_class:
                content = self._field.serialize_json(value, **self._shown)
                answer = Response(content, status, media_type="application/json")
            else:
                answer = self._response_class(self._field.serialize(value, **self._shown), status)
        else:
            answer = self._response_class(jsonable_encoder(made), status)
        if status in BODILESS:
            answer.body = b""
        if shared is not None:
            answer.headers.raw.extend(shared.headers.raw)
        return answer


class Plain:
    """The innermost layer of a service: takes the requests of plain routes, leaves the rest to FastAPI."""

    def __init__(self, app: ASGIApp, service: FastAPI) -> None:
        self._app = app
        self._service = service
        self._index: PathIndex[PlainRoute | None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._index is None:
            self._index = _index(self._service)
        found = self._index.find(get_route_path(scope), scope["method"])
        route, parameters = found if found is not None else (None, {})
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["path_params"] = parameters
        scope["route"] = route.declared
        scope["endpoint"] = route.declared.endpoint
        request = Request(scope, receive, send)
        try:
            response = await _answer(route, request)
        except Exception as error:
            handler = _handler_of(self._service, error)
            if handler is None:
                raise
            response = handler(request, error)
            if inspect.isawaitable(response):
                response = await response
        await response(scope, receive, send)


async def _answer(route: PlainRoute, request: Request) -> Response:
    body = await _document(request) if route.has_document else PydanticUndefined
    known = {call: await call(request) for call in route.coroutines}
    return await _in_a_thread(partial(route.run, request, body, known))


def _in_a_thread(work: Callable[[], Response]) -> asyncio.Future[Response]:
    """What loop.run_in_executor does, without a future of the executor's beside the loop's own."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Response] = loop.create_future()
    context = copy_context()

    def run() -> None:
        try:
            made = context.run(work)
        except BaseException as error:
            # A future takes any exception but this one.
            told = RuntimeError(repr(error)) if isinstance(error, StopIteration) else error
            loop.call_soon_threadsafe(_settle, future, future.set_exception, told)
        else:
            loop.call_soon_threadsafe(_settle, future, future.set_result, made)

    _threads().submit(run)
    return future


def _settle(future: asyncio.Future[Response], tell: Callable[[Any], None], what: object) -> None:
    """Nobody waits any more for a future that was cancelled."""
    if not future.done():
        tell(what)


async def _document(request: Request) -> object:
    """The body as FastAPI reads it: parsed if it says that it is JSON, else its bytes; nothing for none."""
    try:
        content = await request.body()
        if not content:
            return PydanticUndefined
        return json.loads(content) if _is_json(request.headers.get("content-type")) else content
    except json.JSONDecodeError as error:
        fault = {
            "type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error", "input": {},
            "ctx": {"error": error.msg},
        }  # fmt: skip
        raise RequestValidationError([fault], body=error.doc) from error
    except HTTPException:
        raise
    except Exception as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "There was an error parsing the body") from error


def _is_json(content_type: str | None) -> bool:
    if content_type == "application/json":
        return True
    if not content_type:
        return False
    message = email.message.Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (
        subtype == "json" or subtype.endswith("+json")
    )


def _handler_of(service: FastAPI, error: Exception) -> Callable[[Request, Exception], Any] | None:
    """As Starlette looks for it; what only the handler of `Exception` takes is answered further out."""
    handlers = service.exception_handlers
    if isinstance(error, HTTPException) and error.status_code in handlers:
        return handlers[error.status_code]
    for kind in type(error).__mro__:
        if kind in handlers and kind is not Exception:
            return handlers[kind]
    return None


def _index(service: FastAPI) -> PathIndex[PlainRoute | None]:
    return PathIndex(_entry(route) for route in iter_route_contexts(service.routes))


def _entry(route: RouteContext) -> Entry[PlainRoute | None]:
    try:
        plain = PlainRoute(route)
    except NotPlain:
        plain = None
    return Entry(
        regex=route.path_regex,
        convertors=route.param_convertors,
        methods=frozenset(route.methods or ()),
        path=route.path_format or "",
        route=plain,
    )
