"""Decides what a link must be like where an operator has accepted less than card and slot can do. Pure.

A riser, a slot that shares its lanes, a board that is wired so: the kernel shows a port that could do more,
and only a person can know that it never will.
"""

import re

from vfio.device import Link, checked_address

_LINK = re.compile(r"(\d+(?:\.\d+)?)x(1|2|4|8|12|16|32)\Z")


def parse(line: str) -> tuple[str, Link]:
    """From an option like `0000:41:00.0=16x8`: the function, and the least GT/s and lanes that are right for
    it. ValueError says what is wrong with it."""
    address, separator, words = (part.strip() for part in line.partition("="))
    found = _LINK.match(words)
    if not separator or found is None or not float(found[1]):
        raise ValueError(f"want ADDRESS=SPEEDxLANES, such as 0000:41:00.0=16x8, not {line!r}")
    return checked_address(address), Link(float(found[1]), int(found[2]))


def expected(seat: Link | None, accepted: Link | None) -> Link | None:
    """What the link must be able to be. `seat`: what card and slot can both do."""
    if seat is None or accepted is None:
        return seat
    return Link(min(seat.speed, accepted.speed), min(seat.width, accepted.width))


def told(link: Link) -> str:
    """As the option has it."""
    return f"{link.speed:g}x{link.width}"
