"""What placement's routes share: who may ask, where the service is mounted, which status says what."""

from typing import Any

from fastapi import Depends, Request

from kcloud_api.http.context import CallerDep
from kcloud_api.http.policy import allow

Json = dict[str, Any]
CREATED = 201
NO_CONTENT = 204


def requires(rule: str) -> Any:  # noqa: ANN401 - FastAPI's marker has no better type
    """A dependency: Forbidden unless the caller may do `rule`."""

    def check(request: Request, caller: CallerDep) -> None:
        allow(request, caller, rule)

    return Depends(check)


def mount_of(request: Request) -> str:
    """The prefix of links."""
    return str(request.scope.get("root_path", ""))
