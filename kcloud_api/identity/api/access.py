"""Refuses in Keystone's words what the caller may not do."""

from collections.abc import Mapping

from fastapi import Request

from kcloud_api.caller import Caller
from kcloud_api.http.policy import may
from kcloud_common.errors import Forbidden


def require(
    request: Request, caller: Caller, action: str, target: Mapping[str, object] | None = None
) -> None:
    """Raise Forbidden unless the caller may do `action` (a rule of identity, without its prefix)."""
    if not may(request, caller, f"identity:{action}", target):
        raise Forbidden(f"You are not authorized to perform the requested action: identity:{action}.")
