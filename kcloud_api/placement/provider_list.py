"""Writes a list of providers as text: of ten thousand, making objects of each would take most of the time.

What it writes is what provider_views.provider makes. Pure.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from kcloud_api.placement.provider_views import LINKS_SINCE, PARENTS, provider_path

Moment = float | str
"""A time as it is read: seconds since 1970, or of SQLite a text in UTC."""


class Listed(NamedTuple):
    """One provider as it is read. Ids are texts, with hyphens or, as SQLite keeps them, without."""

    id: str
    name: str
    generation: int
    parent_id: str | None
    root_id: str
    updated_at: Moment


BEGINNING, BETWEEN, END = b'{"resource_providers":[', b",", b"]}"
"""What stands around the pieces of a list."""


SHOWN = 36
PLACES = [place for place in range(SHOWN) if place not in (8, 13, 18, 23)]
"""Of an id's digits among its hyphens."""


class Writer:
    """Of one answer: for a minor version, and a service that is mounted at `prefix`."""

    def __init__(self, minor: int, prefix: str) -> None:
        parts = [f"/{part}" for part, since in LINKS_SINCE.items() if minor >= since]
        # What lies between a provider's own texts is the same for all. The zeros stand for ids.
        mark = "\0"
        here = provider_path(prefix, UUID(int=0)).replace(str(UUID(int=0)), mark)
        rels = [("self", here), *((part[1:], here + part) for part in parts)]
        links = ",".join(f'{{"rel":"{rel}","href":"{_inner(href)}"}}' for rel, href in rels)
        self._links = f',"links":[{links}]'.split(_inner(mark))
        self._with_parents = minor >= PARENTS

    def piece(self, rows: Sequence[Listed]) -> bytes:
        """Providers with commas between them."""
        if not rows:
            return b""
        links, quoted = self._links, orjson.dumps
        own, names, generations, parents, roots, _ = zip(*rows, strict=True)
        ids, tails = _hyphened(own), self._tails(parents, roots)
        return ",".join(
            [
                f'{{"uuid":"{id_}","name":{quoted(name).decode()},"generation":{generation}{id_.join(links)}{tail}'
                for id_, name, generation, tail in zip(ids, names, generations, tails, strict=True)
            ]
        ).encode()

    def _tails(self, parents: Sequence[str | None], roots: Sequence[str]) -> Sequence[str]:
        if not self._with_parents:
            return ["}"] * len(roots)
        # A root has its own id for a parent's, which nobody sees.
        above = _hyphened([parent or root for parent, root in zip(parents, roots, strict=True)])
        return [
            f',"parent_provider_uuid":"{shown}","root_provider_uuid":"{root}"}}'
            if parent is not None
            else f',"parent_provider_uuid":null,"root_provider_uuid":"{root}"}}'
            for parent, shown, root in zip(parents, above, _hyphened(roots), strict=True)
        ]


def latest(rows: Sequence[Listed]) -> datetime | None:
    """When one of them changed last."""
    # All are of one type, and SQLite's texts sort as the times that they say.
    newest: Moment | None = max((row[5] for row in rows), default=None)
    return at(newest) if newest is not None else None


def at(moment: Moment) -> datetime:
    if isinstance(moment, str):
        return datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return datetime.fromtimestamp(moment, UTC)


def _hyphened(ids: Sequence[str]) -> Sequence[str]:
    """All at once, a column of digits after the other: each by itself takes twenty times as long."""
    if len(ids[0]) == SHOWN:
        return ids
    digits = "".join(ids).encode()
    shown = bytearray(b"-") * ((SHOWN + 1) * len(ids))
    for source, target in enumerate(PLACES):
        shown[target :: SHOWN + 1] = digits[source::32]
    shown[SHOWN :: SHOWN + 1] = b" " * len(ids)
    return shown.decode().split()


def _inner(text: str) -> str:
    """As it stands between JSON's quotes."""
    return orjson.dumps(text).decode()[1:-1]
