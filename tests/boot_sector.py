"""The smallest guests that do something: a boot sector that speaks on the serial port and knows its power
button. They need no kernel and no image, and are up as soon as the firmware is."""

from pathlib import Path

_DISK_BYTES = 1 << 20

_SPEAK = bytes.fromhex(
    "fc 31c0 8ed8"  # cld; ds = 0
    "ba f803"  # dx = the first serial port
    "e8 0000 5e 83c6 0e"  # si = where the text begins: the next address (call, pop) and 14 more
    "ac 84c0 7403 ee ebf8"  # write byte after byte to the port, until a zero
    "eb"  # then jump over the text
)
_HEAR_POWER_BUTTON = bytes.fromhex(
    "ba 0206 b8 0001 ef"  # PM1 enable: the power button
    "fb f4"  # sleep until the next timer interrupt
    "ba 0006 ed f6c4 01 74f6"  # PM1 status: again while it was not pressed
)
_POWER_OFF = bytes.fromhex("ba 0406 b8 0020 ef")  # PM1 control: sleep state S5
_SLEEP_FOR_EVER = bytes.fromhex("fb f4 ebfd")

ATTENTIVE = _HEAR_POWER_BUTTON + _POWER_OFF + _SLEEP_FOR_EVER
"""Runs until its power button is pressed, then powers off."""
DEAF = _SLEEP_FOR_EVER
"""Runs until its plug is pulled."""
BRIEF = _POWER_OFF + _SLEEP_FOR_EVER
"""Powers off as soon as it is up."""


def write_boot_disk(path: Path, program: bytes = ATTENTIVE, *, text: str = "GUEST-READY\n") -> Path:
    """A raw disk of 1 MiB whose guest writes `text` on its serial port and runs `program`."""
    words = text.encode("ascii") + b"\0"
    sector = _SPEAK + bytes([len(words)]) + words + program
    if len(sector) > 510:
        raise ValueError("does not fit into a boot sector")
    path.write_bytes(sector.ljust(510, b"\0") + b"\x55\xaa" + bytes(_DISK_BYTES - 512))
    return path
