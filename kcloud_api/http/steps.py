"""What a route needs, in the order in which FastAPI would get it, run in one thread.

FastAPI gives every plain function of a request (each dependency, the handler, the end of the transaction) to
a thread by itself, and looks at their signatures each time: that costs more than most requests. Here a
declared route becomes a tree of steps once, and a request walks it. FastAPI still declares, validates
parameters and bodies, and describes.
"""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args

Call = Callable[..., Any]
Values = dict[str, Any]


class NotPlain(Exception):
    """The route needs something that only FastAPI's own way gives: an event loop, a form, a background."""


@dataclass(frozen=True, slots=True)
class Step:
    """One function with what it is called with."""

    call: Call
    name: str | None
    needs: tuple["Step", ...]
    declared: Dependant
    has_parameters: bool
    texts: tuple[tuple[str, str], ...]
    """Parameters of the path that are any text, as (name in the path, name of the argument), where these are
    all: what would be validated is what was matched."""
    opens: Callable[..., AbstractContextManager[Any]] | None
    """For a generator: its value is good until the handler has returned."""
    awaited: bool
    """A coroutine: it was run, with the request alone, before a thread was taken."""


def step_of(declared: Dependant) -> Step:
    """Raises NotPlain."""
    call = declared.call
    strange = (
        declared.websocket_param_name, declared.http_connection_param_name, declared.concurrency,
        declared.background_tasks_param_name, declared.security_scopes_param_name, declared.own_oauth_scopes,
    )  # fmt: skip
    if call is None or any(strange) or inspect.isasyncgenfunction(call):
        raise NotPlain
    if inspect.isgeneratorfunction(call) and declared.scope != "function":
        raise NotPlain
    has_parameters = any(
        (declared.path_params, declared.query_params, declared.header_params, declared.cookie_params)
    )
    awaited = inspect.iscoroutinefunction(call)
    if awaited and (declared.dependencies or declared.body_params or has_parameters):
        raise NotPlain
    return Step(
        call=call,
        name=declared.name,
        needs=tuple(map(step_of, declared.dependencies)),
        declared=declared,
        has_parameters=has_parameters,
        texts=_texts(declared),
        opens=contextmanager(call) if inspect.isgeneratorfunction(call) else None,
        awaited=awaited,
    )


def _texts(declared: Dependant) -> tuple[tuple[str, str], ...]:
    """Empty where FastAPI has to look at parameters."""
    others = (declared.query_params, declared.header_params, declared.cookie_params)
    fields = declared.path_params
    if any(others) or any(field.field_info.annotation is not str or _limits(field) for field in fields):
        return ()
    return tuple((field.alias, field.name) for field in fields)


def _limits(field: Any) -> bool:  # noqa: ANN401 - FastAPI's ModelField
    """Whether anything but its type is asked of the parameter."""
    return bool(field.field_info.metadata)


def coroutines_of(step: Step) -> tuple[Call, ...]:
    """What must have been awaited before the step is run."""
    own = (step.call,) if step.awaited else ()
    return own + tuple(call for need in step.needs for call in coroutines_of(need))


@dataclass(slots=True)
class Walk:
    """One request's way through the steps of its route."""

    request: Request
    body: object
    """What the client sent: parsed, bytes, or undefined."""
    embedded: bool
    stack: ExitStack
    known: dict[Call, Any]
    """The value of each function that has been called, by FastAPI's rule once a request."""
    errors: list[Any]
    response: Response | None = None
    """What the functions that asked for it have put headers into."""

    def values(self, step: Step) -> Values:
        """What `step.call` is to be called with; what is wrong with it is added to `errors`."""
        values: Values = {}
        for need in step.needs:
            value = self._value(need)
            if need.name is not None:
                values[need.name] = value
        declared = step.declared
        if step.texts:
            given = self.request.path_params
            values.update({name: given[alias] for alias, name in step.texts})
        elif step.has_parameters:
            self._add_parameters(declared, values)
        if declared.body_params:
            found, errors = at_once(
                request_body_to_args(
                    body_fields=declared.body_params,
                    received_body=self.body,
                    embed_body_fields=self.embedded,
                )
            )
            values.update(found)
            self.errors.extend(errors)
        if declared.request_param_name:
            values[declared.request_param_name] = self.request
        if declared.response_param_name:
            values[declared.response_param_name] = self._shared_response()
        return values

    def _value(self, step: Step) -> Any:  # noqa: ANN401 - whatever the function returns
        call = step.call
        if step.awaited or (step.declared.use_cache and call in self.known):
            return self.known[call]
        wrong_before = len(self.errors)
        values = self.values(step)
        if len(self.errors) > wrong_before:
            return None
        made = call(**values) if step.opens is None else self.stack.enter_context(step.opens(**values))
        self.known[call] = made
        return made

    def _add_parameters(self, declared: Dependant, values: Values) -> None:
        request = self.request
        sources: tuple[tuple[Any, Mapping[str, Any]], ...] = (
            (declared.path_params, request.path_params),
            (declared.query_params, request.query_params if declared.query_params else {}),
            (declared.header_params, request.headers if declared.header_params else {}),
            (declared.cookie_params, request.cookies if declared.cookie_params else {}),
        )
        for fields, given in sources:
            if fields:
                found, errors = request_params_to_args(fields, given)
                values.update(found)
                self.errors.extend(errors)

    def _shared_response(self) -> Response:
        if self.response is None:
            self.response = Response()
            del self.response.headers["content-length"]
            self.response.status_code = cast("int", None)
        return self.response


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever it returns
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError("a coroutine that was to wait for nothing has waited")
