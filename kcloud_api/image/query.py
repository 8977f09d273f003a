"""Reads the query string of GET /v2/images, with Glance's words for what is wrong in it. Pure."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from kcloud_api.image.attributes import VISIBILITIES
from kcloud_api.image.listing import DEFAULT_PAGE, LARGEST_PAGE, SORT_KEYS, Listing
from kcloud_common.errors import BadRequest

EQUAL = ("name", "id", "status", "owner", "disk_format", "container_format", "checksum")
PAGING = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir"})
READ_HERE = frozenset(
    {"visibility", "member_status", "protected", "os_hidden", "tag", "size_min", "size_max"}
)
NOT_HERE = frozenset({"created_at", "updated_at", "os_hash_algo", "os_hash_value", "min_disk", "min_ram"})
"""Attributes that one may not select on, rather than custom properties that nothing has."""


def read_listing(pairs: Iterable[tuple[str, str]]) -> Listing:
    """Raises BadRequest. What is no attribute of Glance's selects on a custom property."""
    given = list(pairs)
    last = dict(given)
    return Listing(
        equal=_equal(last),
        properties=_properties(last),
        tags=tuple(value for key, value in given if key == "tag"),
        visibility=_one_of(last, "visibility", (*VISIBILITIES, "all"), "Invalid visibility value: {}"),
        size_min=_whole(last, "size_min"),
        size_max=_whole(last, "size_max"),
        hidden=_flag(last, "os_hidden") or False,
        sort=_sort(given),
        marker=_marker(last),
        limit=_limit(last),
    )


def _equal(last: Mapping[str, str]) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for name in EQUAL:
        if name in last:
            texts = _alternatives(last[name])
            found[name] = tuple(_ids(texts)) if name == "id" else tuple(texts)
    protected = _flag(last, "protected")
    if protected is not None:
        found["protected"] = (protected,)
    return found


def _properties(last: Mapping[str, str]) -> dict[str, str]:
    found = {key: value for key, value in last.items() if key not in PAGING | READ_HERE and key not in EQUAL}
    for key in found:
        if key in NOT_HERE or '"' in key or not key:
            raise BadRequest(f"Unable to filter by '{key}'.")
    return found


def _alternatives(text: str) -> list[str]:
    """`in:a,b` is a or b; a value may be quoted to hold a comma."""
    if not text.startswith("in:"):
        return [text]
    return [part.strip().strip('"') for part in text.removeprefix("in:").split(",")]


def _ids(texts: Iterable[str]) -> list[UUID]:
    """What is no UUID is the id of no image."""
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _one_of(last: Mapping[str, str], name: str, allowed: Iterable[str], complaint: str) -> str | None:
    value = last.get(name)
    if value is not None and value not in tuple(allowed):
        raise BadRequest(complaint.format(value))
    return value


def _flag(last: Mapping[str, str], name: str) -> bool | None:
    value = last.get(name)
    if value is None:
        return None
    if value.lower() not in ("true", "false"):
        raise BadRequest(f"Invalid value '{value}' for '{name}' filter. Valid values are 'true' or 'false'.")
    return value.lower() == "true"


def _whole(last: Mapping[str, str], name: str) -> int | None:
    value = last.get(name)
    if value is None:
        return None
    if not value.isascii() or not value.isdecimal() or len(value) > 18:
        raise BadRequest(f"Invalid value '{value}' for '{name}' filter: a number of bytes is expected.")
    return int(value)


def _limit(last: Mapping[str, str]) -> int:
    text = last.get("limit")
    if text is None:
        return DEFAULT_PAGE
    try:
        limit = int(text)
    except ValueError as error:
        raise BadRequest("limit param must be an integer") from error
    if limit < 0:
        raise BadRequest("limit param must be positive")
    return min(limit, LARGEST_PAGE)


def _marker(last: Mapping[str, str]) -> UUID | None:
    text = last.get("marker")
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError as error:
        raise BadRequest(f"Marker {text} could not be found.") from error


def _sort(given: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """`sort=name:asc,size`, or the older sort_key and sort_dir."""
    pairs = list(given)
    newer = [value for key, value in pairs if key == "sort"]
    keys = [value.strip() for key, value in pairs if key == "sort_key"]
    ways = [value.strip() for key, value in pairs if key == "sort_dir"]
    if newer and (keys or ways):
        raise BadRequest("Old and new sorting syntax cannot be combined")
    if newer:
        parts = [part.strip().partition(":") for part in newer[0].split(",")]
        order = [(key, way or "desc") for key, _, way in parts]
    else:
        if len(ways) > 1 and len(ways) != len(keys):
            raise BadRequest("Number of sort dirs does not match the number of sort keys")
        keys = keys or ["created_at"]
        order = list(
            zip(keys, ways if len(ways) == len(keys) else [*ways, "desc"][:1] * len(keys), strict=True)
        )
    for key, way in order:
        if key not in SORT_KEYS:
            known = ", ".join(SORT_KEYS)
            raise BadRequest(f"Invalid sort key: {key}. It must be one of the following: {known}.")
        if way not in ("asc", "desc"):
            raise BadRequest(f"Invalid sort direction: {way}")
    return tuple(order)
