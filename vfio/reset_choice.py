"""Decides which resets a function may get: what both the catalogue and the kernel allow. Pure."""

from collections.abc import Set
from dataclasses import dataclass

BUS_METHODS = frozenset({"bus", "cxl_bus"})
"""They hit every function on the bus, not only the one that is asked."""


@dataclass(frozen=True, slots=True)
class Target:
    """A function to reset. `allowed`: methods to try, in order (vfio.catalogue_product); None: the kernel's.
    A companion (a card's audio function) keeps nothing of a guest and may lack a reset of its own."""

    address: str
    allowed: tuple[str, ...] | None = None
    companion: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """`methods` to try in order; `port` is the bridge whose whole bus may be reset if none of them is there.
    `why_not` says what was passed over."""

    methods: tuple[str, ...]
    port: str | None = None
    why_not: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the kernel offers for a function. `on_bus`: functions that a bus reset hits, this one included."""

    address: str
    can: bool
    methods: tuple[str, ...]
    on_bus: frozenset[str]
    port: str | None = None
    """The bridge above it, where the kernel can reset all that is below (Linux 6.13)."""


def choose(target: Target, seen: Seen, ours: Set[str]) -> Choice:
    """Methods that both the catalogue and the kernel allow, in the catalogue's order where it has one. A bus
    reset only when all that it hits is ours."""
    why_not: list[str] = []
    offered = seen.methods if seen.can else ()
    methods = offered if target.allowed is None else tuple(m for m in target.allowed if m in offered)
    if passed := [method for method in offered if method not in methods]:
        why_not.append(f"the catalogue does not allow {' '.join(passed)}")
    if not offered:
        why_not.append("the kernel offers none")
    bus_allowed = target.allowed is None or bool(BUS_METHODS & set(target.allowed))
    foreign = sorted(seen.on_bus - ours)
    if foreign and (bus := [method for method in methods if method in BUS_METHODS]):
        why_not.append(f"{' '.join(bus)} would also reset {', '.join(foreign)}")
        methods = tuple(method for method in methods if method not in BUS_METHODS)
    port = seen.port if bus_allowed and not foreign else None
    return Choice(methods, port, tuple(why_not))
