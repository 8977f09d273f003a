"""Decides hardware addresses. Pure: randomness is an argument."""

OUI = "fa:16:3e"
"""Locally administered, unicast; the prefix that OpenStack's networks use."""
BITS = 24


def mac(number: int) -> str:
    """The address of a 24-bit number under our prefix."""
    tail = f"{number & (1 << BITS) - 1:06x}"
    return ":".join((OUI, tail[0:2], tail[2:4], tail[4:6]))
