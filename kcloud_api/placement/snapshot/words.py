"""Numbers the sets of traits and of aggregates that providers have: a cloud has many providers and few sets.

Append-only: a number keeps its meaning, so blocks of every age share one table. Only the keeper adds (it
builds one thing at a time); readers may read meanwhile.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Member = TypeVar("Member", str, UUID)


class Sets(Generic[Member]):
    """Sets by number, and by member. Number 0 is the empty set."""

    def __init__(self, parse: Callable[[str], Member]) -> None:
        self.sets: list[frozenset[Member]] = [frozenset()]
        self._parse: Callable[[str], Member] = parse
        self._numbers: dict[frozenset[Member], int] = {frozenset(): 0}
        self._texts: dict[str, int] = {}
        self._having: dict[Member, list[int]] = {}

    def __len__(self) -> int:
        return len(self.sets)

    def number(self, members: frozenset[Member]) -> int:
        known = self._numbers.get(members)
        if known is not None:
            return known
        number = len(self.sets)
        for member in members:
            self._having.setdefault(member, []).append(number)
        self._numbers[members] = number
        # Last: whoever sees the set finds it under its members.
        self.sets.append(members)
        return number

    def number_of_text(self, joined: str | None) -> int:
        """Of members joined with commas, as SQL gives them."""
        if not joined:
            return 0
        known = self._texts.get(joined)
        if known is None:
            known = self._texts[joined] = self.number(frozenset(map(self._parse, joined.split(","))))
        return known

    def having(self, members: Iterable[Member], size: int) -> NDArray[np.bool_]:
        """Which of the first `size` sets have one of these members, or more."""
        table = np.zeros(size, dtype=np.bool_)
        for member in members:
            numbers = np.array(self._having.get(member, ()), dtype=np.int64)
            table[numbers[numbers < size]] = True
        return table

    def has(self, member: Member) -> bool:
        """Whether any set was ever seen with this member."""
        return member in self._having


class Words:
    """The tables of one lineage of snapshots; a full load begins new ones."""

    def __init__(self) -> None:
        self.traits: Sets[str] = Sets(str)
        self.aggregates: Sets[UUID] = Sets(UUID)
        self._version = 0

    def versions(self, trees: int) -> NDArray[np.int64]:
        """Numbers that no tree of this lineage has had."""
        self._version += trees
        return np.arange(self._version - trees, self._version, dtype=np.int64)
