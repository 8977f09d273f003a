"""Cuts what a statement is asked for into parts: databases take only so many parameters in one (SQLite
32,766, PostgreSQL 65,535)."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

MOST_PARAMETERS = 10_000

Item = TypeVar("Item")


def chunks(items: Sequence[Item], *, width: int = 1) -> Iterator[Sequence[Item]]:
    """Parts of a sequence whose items take `width` parameters each."""
    size = max(1, MOST_PARAMETERS // width)
    for start in range(0, len(items), size):
        yield items[start : start + size]
