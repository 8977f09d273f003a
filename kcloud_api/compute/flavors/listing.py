"""Decides which flavors make one page. Works on columns that it is given by name, and knows no rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_

from kcloud_common.errors import BadRequest

LARGEST_PAGE = 1000

SORT_COLUMNS = {
    "flavorid": "id",
    "id": "id",
    "name": "name",
    "vcpus": "vcpus",
    "memory_mb": "ram_mib",
    "root_gb": "disk_gib",
    "ephemeral_gb": "ephemeral_gib",
    "swap": "swap_mib",
    "is_public": "is_public",
    "created_at": "created_at",
    "description": "description",
}
"""Nova's sort keys that mean something here, and the column of each."""


@dataclass(frozen=True, slots=True)
class Listing:
    """`is_public` None shows both kinds; only an admin's is heeded."""

    is_public: bool | None = True
    min_ram: int | None = None
    min_disk: int | None = None
    name: str | None = None
    sort: str = "id"
    descending: bool = False
    marker: str | None = None
    limit: int = LARGEST_PAGE


@dataclass(frozen=True, slots=True)
class Page:
    where: tuple[ColumnElement[bool], ...]
    order: tuple[ColumnElement[Any], ...]


def page(columns: Mapping[str, Any], listing: Listing, after: Mapping[str, object] | None) -> Page:
    """The page that follows the flavor whose values are `after`."""
    where: list[ColumnElement[bool]] = []
    if listing.min_ram is not None:
        where.append(columns["ram_mib"] >= listing.min_ram)
    if listing.min_disk is not None:
        where.append(columns["disk_gib"] >= listing.min_disk)
    if listing.name is not None:
        where.append(columns["name"] == listing.name)
    first: Any = columns[listing.sort]
    if listing.sort == "description":
        first = func.coalesce(first, "")
    tie: Any = columns["id"]
    if after is not None:
        value = after[listing.sort] if after[listing.sort] is not None else ""
        further = first < value if listing.descending else first > value
        tied = tie < after["id"] if listing.descending else tie > after["id"]
        where.append(or_(further, and_(first == value, tied)))
    keys = (first, tie)
    return Page(tuple(where), tuple(key.desc() if listing.descending else key.asc() for key in keys))


def read_listing(query: Mapping[str, str]) -> Listing:
    """Raises BadRequest in Nova's words."""
    sort = query.get("sort_key") or "flavorid"
    if sort not in SORT_COLUMNS:
        raise BadRequest(
            f"Invalid input for query parameters sort_key. Value: {sort}. "
            f"{sort!r} is not one of {sorted(SORT_COLUMNS)}"
        )
    way = query.get("sort_dir") or "asc"
    if way not in ("asc", "desc"):
        raise BadRequest(
            f"Invalid input for query parameters sort_dir. Value: {way}. "
            f"{way!r} is not one of ['asc', 'desc']"
        )
    return Listing(
        is_public=_is_public(query.get("is_public")),
        min_ram=_number(query, "minRam"),
        min_disk=_number(query, "minDisk"),
        name=query.get("name"),
        sort=SORT_COLUMNS[sort],
        descending=way == "desc",
        marker=query.get("marker"),
        limit=read_limit(query),
    )


def read_limit(query: Mapping[str, str]) -> int:
    """How many rows a client wants at most. Raises BadRequest; shared by every list of compute."""
    text = query.get("limit")
    if text is None:
        return LARGEST_PAGE
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise BadRequest(
            f"Invalid input for query parameters limit. Value: {text}. {text!r} does not match '^[0-9]*$'"
        )
    # To Nova a limit of 0 is no limit.
    return min(int(text) or LARGEST_PAGE, LARGEST_PAGE)


def _is_public(text: str | None) -> bool | None:
    if text is None:
        return True
    word = text.strip().lower()
    if word == "none":
        return None
    if word in ("1", "t", "true", "on", "y", "yes"):
        return True
    if word in ("0", "f", "false", "off", "n", "no"):
        return False
    raise BadRequest(f"Invalid is_public filter [{text}]")


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return min(int(text), 2**31 - 1)
    except ValueError:
        raise BadRequest(f"Invalid {name} filter [{text}]") from None
