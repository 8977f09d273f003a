"""Decides what of a request is refused before anybody looks at what it asks: no token, no such path or method
in this version, no answer that the client takes, a body that is no JSON. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from types import MappingProxyType

NOTHING: Mapping[str, str] = MappingProxyType({})
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Method:
    """One method of one path: since which minor version there is one, and what it is before."""

    since: int = 0
    before: HTTPStatus = HTTPStatus.NOT_FOUND
    reads_json: bool = False
    json_until: int | None = None
    """Last version in which it reads a body."""
    answers_json: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    status: HTTPStatus
    message: str
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)


READ = Method(answers_json=True)
WRITE = Method(reads_json=True)
REMOVE = Method()


def _read(since: int) -> Method:
    return Method(since, answers_json=True)


def _write(since: int) -> Method:
    return Method(since, reads_json=True)


METHODS: Mapping[str, Mapping[str, Method]] = {
    "/": {"GET": Method()},
    "/openapi.json": {"GET": READ},
    "/resource_classes": {"GET": _read(2), "POST": _write(2)},
    "/resource_classes/{name}": {
        "GET": _read(2),
        "PUT": Method(2, reads_json=True, json_until=6),
        "DELETE": Method(2),
    },
    "/resource_providers": {"GET": READ, "POST": WRITE},
    "/resource_providers/{uuid}": {"GET": READ, "PUT": WRITE, "DELETE": REMOVE},
    "/resource_providers/{uuid}/inventories": {
        "GET": READ,
        "POST": WRITE,
        "PUT": WRITE,
        "DELETE": Method(5, HTTPStatus.METHOD_NOT_ALLOWED),
    },
    "/resource_providers/{uuid}/inventories/{resource_class}": {
        "GET": READ, "PUT": WRITE, "DELETE": REMOVE,
    },
    "/resource_providers/{uuid}/usages": {"GET": READ},
    "/resource_providers/{uuid}/aggregates": {"GET": _read(1), "PUT": _write(1)},
    "/resource_providers/{uuid}/allocations": {"GET": READ},
    "/resource_providers/{uuid}/traits": {"GET": _read(6), "PUT": _write(6), "DELETE": Method(6)},
    "/traits": {"GET": _read(6)},
    "/traits/{name}": {"GET": Method(6), "PUT": Method(6), "DELETE": Method(6)},
    "/allocations": {"POST": _write(13)},
    "/allocations/{consumer_uuid}": {"GET": READ, "PUT": WRITE, "DELETE": REMOVE},
    "/allocation_candidates": {"GET": _read(10)},
    "/usages": {"GET": _read(9)},
    "/reshaper": {"POST": _write(30)},
}  # fmt: skip
"""All paths; what stands in braces is any text without a slash."""


def refused(verb: str, path: str, minor: int, headers: Mapping[str, str]) -> Refusal | None:
    """Why the request gets no further; `headers` by lower-case name. None when it does."""
    if path not in ("", "/") and not headers.get("x-auth-token"):
        return Refusal(HTTPStatus.UNAUTHORIZED, "")
    if headers.get("content-length", "0") not in ("", "0") and not headers.get("content-type"):
        return Refusal(HTTPStatus.BAD_REQUEST, "content-type header required when content-length > 0")
    methods = methods_of(path)
    if methods is None:
        return Refusal(HTTPStatus.NOT_FOUND, "")
    method = methods.get(verb)
    if method is None:
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, _no_method(verb), {"Allow": ", ".join(methods)})
    return _refused_by(method, verb, minor, headers)


def methods_of(path: str) -> Mapping[str, Method] | None:
    """What can be done with a path; None for one that there is not."""
    parts = path.split("/")
    if any(not part for part in parts[1:]) and path not in ("", "/"):
        return None
    if "\0" in path:
        # No database keeps such a name.
        return None
    if len(parts) < 3 and path in METHODS:
        return METHODS[path]
    for pattern, methods in _patterns().get(len(parts), ()):
        if all(want is None or want == part for want, part in zip(pattern, parts, strict=True)):
            return methods
    return METHODS["/"] if path == "" else None


def _refused_by(method: Method, verb: str, minor: int, headers: Mapping[str, str]) -> Refusal | None:
    if method.answers_json and not accepts(headers.get("accept", ""), JSON):
        return Refusal(HTTPStatus.NOT_ACCEPTABLE, f"Only {JSON} is provided")
    if minor < method.since:
        message = _no_method(verb) if method.before is HTTPStatus.METHOD_NOT_ALLOWED else ""
        return Refusal(method.before, message)
    if method.reads_json and (method.json_until is None or minor <= method.json_until):
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            return Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"The media type {kind or None} is not supported, use {JSON}",
            )
    return None


def accepts(accept: str, media_type: str) -> bool:
    """Would a client with this Accept header take the type? Of several ranges the narrowest decides."""
    family = media_type.partition("/")[0]
    best, found = -1, not accept.strip()
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        rank = {media_type: 2, f"{family}/*": 1, "*/*": 0}.get(name, -1)
        if rank > best:
            best, found = rank, not any(_is_zero(parameter) for parameter in parameters)
    return found


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip() in ("0", "0.0", "0.00", "0.000")


def _no_method(verb: str) -> str:
    return f"The method {verb} is not allowed for this resource."


@cache
def _patterns() -> Mapping[int, tuple[tuple[tuple[str | None, ...], Mapping[str, Method]], ...]]:
    """Paths with a variable part, by their number of parts; None stands for any."""
    found: dict[int, tuple[tuple[tuple[str | None, ...], Mapping[str, Method]], ...]] = {}
    for path, methods in METHODS.items():
        parts = tuple(None if part.startswith("{") else part for part in path.split("/"))
        found[len(parts)] = (*found.get(len(parts), ()), (parts, methods))
    return found
