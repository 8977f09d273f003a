"""Writes a list of providers as text: of ten thousand, making objects of each would take most of the time.

What it writes is what provider_views.provider makes.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple
from uuid import UUID

import orjson

from kcloud_api.placement.provider_views import LINKS_SINCE, PARENTS, provider_path

Id = str | UUID
"""As the database keeps it: SQLite in 32 digits without hyphens."""


class Listed(NamedTuple):
    """One provider as it is read."""

    id: Id
    name: str
    generation: int
    parent_id: Id | None
    root_id: Id
    updated_at: datetime | str


def written(rows: Sequence[Listed], minor: int, prefix: str) -> orjson.Fragment:
    """The list itself. `prefix` is where the service is mounted."""
    parts = [f"/{part}" for part, since in LINKS_SINCE.items() if minor >= since]
    # What lies between a provider's own texts is the same for all. The zeros stand for ids.
    mark = "\0"
    here = provider_path(prefix, UUID(int=0)).replace(str(UUID(int=0)), mark)
    rels = [("self", here), *((part[1:], here + part) for part in parts)]
    links = ",".join(f'{{"rel":"{rel}","href":"{_inner(href)}"}}' for rel, href in rels).split(_inner(mark))
    with_parents = minor >= PARENTS
    # Providers of one tree share a root, and mostly a parent.
    hyphened = cache(_hyphened)
    found = []
    for own, name, generation, parent, root, _ in rows:
        id_ = _hyphened(own)
        tail = ""
        if with_parents:
            above = f'"{hyphened(parent)}"' if parent is not None else "null"
            tail = f',"parent_provider_uuid":{above},"root_provider_uuid":"{hyphened(root)}"'
        found.append(
            f'{{"uuid":"{id_}","name":{orjson.dumps(name).decode()},"generation":{generation},'
            f'"links":[{id_.join(links)}]{tail}}}'
        )
    return orjson.Fragment(f"[{','.join(found)}]")


def latest(rows: Sequence[Listed]) -> datetime | None:
    """When one of them changed last."""
    # All are of one type, and SQLite's texts sort as the times that they say.
    newest = max((row.updated_at for row in rows), default=None)
    if isinstance(newest, str):
        return datetime.fromisoformat(newest).replace(tzinfo=UTC)
    return newest


def _hyphened(id_: Id) -> str:
    if isinstance(id_, str) and len(id_) == 32:
        return f"{id_[:8]}-{id_[8:12]}-{id_[12:16]}-{id_[16:20]}-{id_[20:]}"
    return str(id_)


def _inner(text: str) -> str:
    """As it stands between JSON's quotes."""
    return orjson.dumps(text).decode()[1:-1]
