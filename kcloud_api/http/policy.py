"""Who may do what: oslo.policy with defaults in code, each service's rules in its own policies.py."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request

from kcloud_api.http.context import Caller
from kcloud_common.errors import Forbidden


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """A named rule with its default, in oslo.policy's language (`role:admin`, `project_id:%(project_id)s`)."""

    name: str
    default: str
    description: str


def allow(request: Request, caller: Caller, rule: str, target: Mapping[str, object] | None = None) -> None:
    """Raise Forbidden unless the caller may do `rule` to `target` (its project_id, user_id ...)."""
    if not may(request, caller, rule, target):
        raise Forbidden(f"Policy doesn't allow {rule} to be performed.")


def may(request: Request, caller: Caller, rule: str, target: Mapping[str, object] | None = None) -> bool:
    """The same as a question, for answers that show more to some callers."""
    return bool(request.app.state.enforcer.check(caller, rule, target or {}))
