"""Decides which servers the parameters of a list ask for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from kcloud_api.compute.records import Page, ServerFilter
from kcloud_api.compute.states import STATUSES, State
from kcloud_common.errors import BadRequest

TRUE = frozenset({"", "1", "t", "true", "on", "y", "yes"})
FALSE = frozenset({"0", "f", "false", "off", "n", "no"})
NO_SERVER = UUID(int=0)
MOST_DIGITS = 9
"""Of a limit. Python does not even read a number of some thousand digits."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose list it is. `admin`: may see all projects, deleted servers and hosts."""

    project_id: str | None
    admin: bool


def wants_all_projects(params: Mapping[str, str]) -> bool:
    """Whether `all_tenants` is there and does not say no."""
    value = params.get("all_tenants", params.get("all_projects"))
    return value is not None and truth(value, "all_tenants")


def filter_of(params: Mapping[str, str], scope: Scope) -> ServerFilter:
    """BadRequest for a value that means nothing. Parameters that kcloud does not know are passed over."""
    everyone = scope.admin and wants_all_projects(params)
    project = params.get("project_id") or params.get("tenant_id")
    deleted = scope.admin and "deleted" in params and truth(params["deleted"], "deleted")
    return ServerFilter(
        project_id=project if everyone else scope.project_id,
        states=_states(params.get("status"), scope),
        name=_short(params.get("name"), "name"),
        user_id=params.get("user_id"),
        flavor_id=params.get("flavor"),
        image_id=_id(params.get("image")),
        host_name=params.get("host") if scope.admin else None,
        server_id=_id(params.get("uuid")),
        key_name=params.get("key_name"),
        changed_since=moment(params, "changes-since"),
        deleted=deleted or (params.get("status", "").upper() == State.DELETED and scope.admin),
    )


def page_of(params: Mapping[str, str], most: int) -> Page:
    """BadRequest for a limit or a marker that is none; a limit above `most` becomes that."""
    return Page(
        limit=_limit(params.get("limit"), most),
        marker=_marker(params.get("marker")),
        sort_key=params.get("sort_key", "created_at"),
        ascending=_ascending(params.get("sort_dir", "desc")),
    )


def truth(value: str, name: str) -> bool:
    if value.lower() in TRUE:
        return True
    if value.lower() in FALSE:
        return False
    raise BadRequest(
        f"Invalid value '{value}' for parameter {name}: it is neither true nor false.", field=name
    )


def _states(status: str | None, scope: Scope) -> frozenset[State] | None:
    """An unknown status matches nothing, as Nova has it."""
    if status is None:
        return None
    found = STATUSES.get(status.upper(), frozenset())
    return found if scope.admin else found - {State.DELETED}


def _limit(text: str | None, most: int) -> int:
    if text is None or text == "":
        return most
    if not (text.isascii() and text.isdecimal()) or len(text) > MOST_DIGITS:
        raise BadRequest(
            f"Invalid input for query parameters limit. Value: {text}. '{text}' does not match '^[0-9]*$'",
            field="limit",
        )
    return min(int(text), most)


def _marker(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest(f"marker [{text}] not found", field="marker") from None


def _ascending(text: str) -> bool:
    if text not in ("asc", "desc"):
        raise BadRequest(f"Unknown sort direction '{text}', must be 'desc' or 'asc'.", field="sort_dir")
    return text == "asc"


def _id(text: str | None) -> UUID | None:
    """What is no id is the id of nothing."""
    if text is None:
        return None
    try:
        return UUID(text.rstrip("/").rpartition("/")[2])
    except ValueError:
        return NO_SERVER


def _short(text: str | None, name: str) -> str | None:
    if text is not None and len(text) > 255:
        raise BadRequest(f"Invalid input for query parameters {name}. It is too long.", field=name)
    return text


def moment(params: Mapping[str, str], name: str) -> datetime | None:
    """Raises BadRequest. Without a zone it is UTC."""
    text = params.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"Invalid {name} value '{text}'.", field=name) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
