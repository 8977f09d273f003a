"""Remembers what is tried again and again for a device or a card, so that its report says why and when next.

In memory only, like the attempts themselves. The clock is an argument.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_NONE: Mapping[str, tuple[str, float]] = {}


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
        again = f"the next at {next_try:{_FORM}}" if next_try else "there will be no other"
        self._told[name] = f"{why}; try {tries} failed, {again}"

    def ended(self, names: Iterable[str]) -> None:
        for name in names:
            self._tries.pop(name, None)
            self._told.pop(name, None)

    def told(self, hanging: Mapping[str, tuple[str, float]] = _NONE) -> Mapping[str, str]:
        """By the name of the device or the card. `hanging`: steps that take too long, and since when."""
        return self._told | {name: _hangs(step, since) for name, (step, since) in hanging.items()}


def _hangs(step: str, since: float) -> str:
    """A write that hangs in the kernel never comes back, nor does whoever waits for its lock."""
    began = datetime.fromtimestamp(since, UTC)
    return (
        f"{step} has not ended since {began:{_FORM}}; if it is no scrub, it may hang in the kernel: see "
        "dmesg, and reboot the host if it does"
    )
