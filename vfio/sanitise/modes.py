"""Puts back modes of a card that outlive a guest which may have changed them: MIG, ECC, a power limit.

They are seen through the vendor's own driver only, so before a guest has the card and after it is back. A
mode may be set and take effect with the card's next reset only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from vfio.sanitise.pipeline import NotYet
from vfio.sanitise.verifying import StillWrong


@dataclass(frozen=True, slots=True)
class Mode:
    """`now`, and `next` after the card's next reset; the same for what takes effect at once."""

    now: int
    next: int


class Modes(Protocol):
    """The port to a vendor's library. Addresses are PCI functions."""

    def read(self, address: str) -> Mapping[str, Mode]:
        """By name; those that the card has. OSError says why nobody can tell."""

    def set(self, address: str, name: str, value: int) -> None:
        """OSError with the library's refusal."""


class NoModes:
    """A host on which nobody can ask; says why."""

    def __init__(self, why: str) -> None:
        self._why = why

    def read(self, address: str) -> Mapping[str, Mode]:
        raise OSError(self._why)

    def set(self, address: str, name: str, value: int) -> None:
        raise OSError(self._why)


Noted = Mapping[str, Mapping[str, int]]
"""What the modes were: by address, by name."""


def put_back(modes: Modes, noted: Noted, note: Callable[[str], None]) -> str:
    """Everything as it was noted; returns that in words. `note` keeps what had to be changed, before it is.

    Raises NotYet where it takes another reset, StillWrong where that did not help, OSError with the library's
    refusal. Safe to repeat."""
    return "; ".join(_put_back_one(modes, address, was, note) for address, was in noted.items())


def _put_back_one(modes: Modes, address: str, was: Mapping[str, int], note: Callable[[str], None]) -> str:
    found = modes.read(address)
    if lost := sorted(was.keys() - found.keys()):
        raise StillWrong(f"{address} does not tell its {', '.join(lost)} any more")
    changed = [name for name in was if found[name].next != was[name]]
    for name in changed:
        note(f"{address}: {name} was {found[name].next} and is {was[name]} again")
        modes.set(address, name, was[name])
    if changed:
        found = modes.read(address)
    if stuck := [name for name in changed if found[name].next != was[name]]:
        raise StillWrong(f"{address}: {', '.join(stuck)} could not be set back, and no reason was given")
    if late := [name for name in was if found[name].now != was[name]]:
        what = f"{address}: {', '.join(late)} of before the lease takes effect with a reset"
        raise NotYet(f"{what}, which follows") if changed else StillWrong(f"{what}, and none has done it")
    values = ", ".join(f"{name} {value}" for name, value in was.items())
    return f"{address} has {values} as when its lease began"
