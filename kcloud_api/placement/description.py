"""Makes the OpenAPI description that the service publishes: of its routes, as FastAPI knows them, with what
gate.py knows of versions, in the words of the newest. Pure."""

from collections.abc import Mapping
from typing import Any

from kcloud_api.placement.gate import METHODS
from kcloud_api.placement.microversion import HEADER, MAJOR, NEWEST

Json = dict[str, Any]

ABOUT = (
    "Parameters and bodies are those of the newest version. `x-min-version` says since when there is a "
    "method; a request that names no version is one of the oldest."
)
ERRORS: Json = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["status", "title", "detail", "request_id"],
                "properties": {
                    "status": {"type": "integer"},
                    "title": {"type": "string"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "request_id": {"type": "string"},
                },
            },
        }
    },
}
VERSION: Json = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Which version of every answer the client understands.",
    "schema": {"type": "string", "examples": [f"placement {MAJOR}.{NEWEST}", "placement latest"]},
}
TOKEN: Json = {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}


def description(declared: Mapping[str, Any], mount: str) -> Json:
    """`declared`: what FastAPI says of the application, which stands under the prefix `mount`."""
    return {
        "openapi": declared["openapi"],
        "info": {
            "title": "Placement API", "version": f"{MAJOR}.{NEWEST}", "description": ABOUT,
        },
        "servers": [{"url": mount or "/"}],
        "security": [{"token": []}],
        "paths": {
            path: {verb: _operation(said, _since(path, verb)) for verb, said in verbs.items()}
            for path, verbs in declared["paths"].items()
        },
        "components": {
            "securitySchemes": {"token": TOKEN},
            "schemas": {"Errors": ERRORS},
            "parameters": {"Version": VERSION},
        },
    }  # fmt: skip


def _operation(said: Mapping[str, Any], since: int) -> Json:
    operation = {name: value for name, value in said.items() if name != "responses"}
    operation["parameters"] = [*said.get("parameters", ()), {"$ref": "#/components/parameters/Version"}]
    if since:
        operation["x-min-version"] = f"{MAJOR}.{since}"
    # FastAPI would say 422 of what is 400 here, and 200 of what is 201 or 204 in some versions.
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Errors"}}}
    operation["responses"] = {
        "2XX": {"description": "As asked."},
        "4XX": {"description": "Refused, with the reason.", "content": refused},
    }
    return operation


def _since(path: str, verb: str) -> int:
    """Since which minor version there is this method. Parameters may have other names there."""
    shape = _shape(path)
    return next(
        method.since
        for known, methods in METHODS.items()
        if _shape(known) == shape
        for name, method in methods.items()
        if name == verb.upper()
    )


def _shape(path: str) -> tuple[str, ...]:
    return tuple("{}" if part.startswith("{") else part for part in path.split("/"))
