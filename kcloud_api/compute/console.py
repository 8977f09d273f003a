"""Turns a console log as the host sent it into what a client gets. Pure."""

import re

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def tail(log: bytes, lines: int | None) -> str:
    """The last lines of a console log, as text that JSON and terminals can bear. None, -1: all of it."""
    text = UNPRINTABLE.sub("", log.decode("utf-8", "replace"))
    if lines is None or lines < 0:
        return text
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""
