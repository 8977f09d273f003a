"""Remembers what is tried again and again for a device or a card, so that its report says why and when next.

In memory only, like the attempts themselves. The clock is an argument.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime


class Troubles:
    """One thread's."""

    def __init__(self) -> None:
        self._tries: dict[str, int] = {}
        self._told: dict[str, str] = {}

    def failed(self, name: str, why: str, next_try: datetime | None) -> None:
        """`next_try`: None where nobody tries again."""
        if not name:
            return
        tries = self._tries[name] = self._tries.get(name, 0) + 1
        again = f"the next at {next_try:%Y-%m-%dT%H:%M:%SZ}" if next_try else "there will be no other"
        self._told[name] = f"{why}; try {tries} failed, {again}"

    def ended(self, names: Iterable[str]) -> None:
        for name in names:
            self._tries.pop(name, None)
            self._told.pop(name, None)

    def told(self) -> Mapping[str, str]:
        """By the name of the device or the card."""
        return dict(self._told)
