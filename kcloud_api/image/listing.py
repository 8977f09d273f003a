"""Decides which images make one page: what the caller may see, what he asked for, in which order.

Works on columns that it is given by name, and knows no rows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, cast, func, or_

from kcloud_api.caller import Caller

SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
NULL_SORTS_AS = {"name": "", "container_format": "", "disk_format": "", "size": -1}
LARGEST_PAGE = 1000
DEFAULT_PAGE = 25


@dataclass(frozen=True, slots=True)
class Listing:
    """What a client asked for, validated. `equal` maps a column to the values of which one must hold;
    `properties` does so for custom properties."""

    equal: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    visibility: str | None = None
    size_min: int | None = None
    size_max: int | None = None
    hidden: bool = False
    sort: tuple[tuple[str, str], ...] = (("created_at", "desc"),)
    marker: UUID | None = None
    limit: int = DEFAULT_PAGE


@dataclass(frozen=True, slots=True)
class Page:
    """Conditions and order of the query."""

    where: tuple[ColumnElement[bool], ...]
    order: tuple[ColumnElement[Any], ...]


Columns = Mapping[str, Any]


def page(columns: Columns, caller: Caller, listing: Listing, after: Mapping[str, object] | None) -> Page:
    """The page that follows the image whose values are `after`."""
    order = _complete(listing.sort)
    where = [*_seen_by(columns, caller, listing.visibility), *_asked_for(columns, listing)]
    if after is not None:
        where.append(_beyond(columns, after, order))
    keys = [(_key(columns, name), way) for name, way in order]
    return Page(tuple(where), tuple(key.asc() if way == "asc" else key.desc() for key, way in keys))


def _seen_by(columns: Columns, caller: Caller, visibility: str | None) -> list[ColumnElement[bool]]:
    own = columns["owner"] == (caller.project_id or "")
    shown = columns["visibility"]
    open_to_all = ["public", "community"] if visibility in ("community", "all") else ["public"]
    conditions: list[ColumnElement[bool]] = []
    if not caller.is_admin:
        conditions.append(or_(own, shown.in_(open_to_all)))
    elif visibility is None:
        conditions.append(or_(own, shown != "community"))
    if visibility not in (None, "all"):
        conditions.append(shown == visibility)
    return conditions


def _asked_for(columns: Columns, listing: Listing) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [columns["os_hidden"].is_(listing.hidden)]
    found += [columns[name].in_(values) for name, values in listing.equal.items()]
    found += [columns["properties"][name].as_string() == text for name, text in listing.properties.items()]
    # Tags are few and short: a tag is looked for as it is written in the JSON text.
    tags = cast(columns["tags"], Text)
    found += [tags.contains(json.dumps(tag), autoescape=True) for tag in listing.tags]
    if listing.size_min is not None:
        found.append(columns["size"] >= listing.size_min)
    if listing.size_max is not None:
        found.append(columns["size"] <= listing.size_max)
    return found


def _complete(sort: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The order made total: pages neither repeat nor skip."""
    names = [name for name, _ in sort]
    way = sort[-1][1] if sort else "desc"
    ties = [(name, way) for name in ("created_at", "id") if name not in names]
    return (*sort, *ties)


def _key(columns: Columns, name: str) -> ColumnElement[Any]:
    """Null sorts as the smallest value, and so can be compared with."""
    return func.coalesce(columns[name], NULL_SORTS_AS[name]) if name in NULL_SORTS_AS else columns[name]


def _beyond(
    columns: Columns, after: Mapping[str, object], order: tuple[tuple[str, str], ...]
) -> ColumnElement[bool]:
    """Further in the order: greater in one key and equal in all before it."""
    cases: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for name, way in order:
        key: Any = _key(columns, name)
        value = after[name] if after[name] is not None else NULL_SORTS_AS.get(name)
        cases.append(and_(*equal, key > value if way == "asc" else key < value))
        equal.append(key == value)
    return or_(*cases)
