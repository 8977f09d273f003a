"""What placement's routes share: who may ask, which provider is meant, where things are, what they take."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Response

from kcloud_api.http.context import CallerDep
from kcloud_api.http.policy import allow
from kcloud_api.placement.exchange import CACHE_HEADERS, answer
from kcloud_api.placement.microversion import minor_of
from kcloud_api.placement.schema_check import Form
from kcloud_common.errors import NotFound

Json = dict[str, Any]
CREATED = 201
NO_CONTENT = 204


def requires(rule: str) -> Any:  # noqa: ANN401 - FastAPI's marker has no better type
    """A dependency: Forbidden unless the caller may do `rule`."""

    def check(request: Request, caller: CallerDep) -> None:
        allow(request, caller, rule)

    return Depends(check)


def _provider_id(uuid: str) -> UUID:
    """What is no UUID names no provider."""
    try:
        return UUID(uuid)
    except ValueError:
        raise NotFound(f"No resource provider with uuid {uuid} found") from None


ProviderId = Annotated[UUID, Depends(_provider_id)]


def mount_of(request: Request) -> str:
    """The prefix of links."""
    return str(request.scope.get("root_path", ""))


def nothing(request: Request | None = None, modified: datetime | None = None) -> Response:
    """204. With `request` it says when what it does not show was changed, as `answer` does."""
    response = Response(status_code=NO_CONTENT)
    if request is not None and minor_of(request) >= CACHE_HEADERS:
        for name in ("Last-Modified", "Cache-Control"):
            response.headers[name] = answer(request, None, modified).headers[name]
    return response


def host_of(request: Request) -> str:
    """What makes a path of ours a whole URL, as clients know a Location to be."""
    return f"{request.url.scheme}://{request.url.netloc}"


def located(request: Request, path: str, status: int = CREATED) -> Response:
    """No body, and where the thing is that was made."""
    return Response(status_code=status, headers={"Location": host_of(request) + path})


def takes(form: Form, *, required: bool = True) -> Json:
    """OpenAPI's words for a JSON body of the newest version."""
    content = {"application/json": {"schema": dict(form.schema)}}
    return {"requestBody": {"required": required, "content": content}}


def asks(form: Form) -> Json:
    """OpenAPI's words for the query parameters of the newest version."""
    schema = form.schema
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "schema": dict(each),
            }
            for name, each in schema["properties"].items()
        ]
    }
