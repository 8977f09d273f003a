"""Finds the route of a path: by its first segment and how many it has, then in the order of declaration."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.convertors import Convertor

T = TypeVar("T")

Place = tuple[int, str | None]
"""How many segments, and the first; None where a parameter is the first."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One declared route: the paths and methods that it takes."""

    regex: re.Pattern[str]
    convertors: Mapping[str, Convertor[object]]
    methods: frozenset[str]
    """Empty: all."""
    path: str
    route: T


class PathIndex(Generic[T]):
    """Answers as a walk over all entries would, and looks at few of them."""

    def __init__(self, entries: Iterable[Entry[T]]) -> None:
        self._by_place: dict[Place, list[Entry[T]]] = {}
        self._anywhere: list[Entry[T]] = []
        waiting = list(entries)
        places = [place for place in map(_place_of_declared, waiting) if place is not None]
        # One whose parameters may hold slashes could be the answer anywhere: each list has it, in its turn.
        for place in dict.fromkeys([*places, *((count, None) for count, _ in places)]):
            self._by_place[place] = [entry for entry in waiting if _may_take(entry, place)]
        self._anywhere = [entry for entry in waiting if _place_of_declared(entry) is None]

    def find(self, path: str, method: str) -> tuple[T, dict[str, object]] | None:
        """The first route that takes the path with that method, and its parameters."""
        segments = path.split("/")
        count = len(segments)
        entries = self._by_place.get((count, segments[1] if count > 1 else ""))
        if entries is None:
            entries = self._by_place.get((count, None), self._anywhere)
        for entry in entries:
            if entry.methods and method not in entry.methods:
                continue
            match = entry.regex.match(path)
            if match is not None:
                given = match.groupdict()
                return entry.route, {name: entry.convertors[name].convert(given[name]) for name in given}
        return None


def _place_of_declared(entry: Entry[T]) -> Place | None:
    """None where a parameter may hold slashes."""
    if any("/" in text or text == ".*" for text in (c.regex for c in entry.convertors.values())):
        return None
    segments = entry.path.split("/")
    first = segments[1] if len(segments) > 1 else ""
    return len(segments), None if "{" in first else first


def _may_take(entry: Entry[T], place: Place) -> bool:
    declared = _place_of_declared(entry)
    return declared is None or (declared[0] == place[0] and declared[1] in (place[1], None))
