"""The end of a guest's serial log. The guest writes it, so only its length is trusted."""

import os
from pathlib import Path

LIMIT = 256 * 1024


def tail(path: Path, limit: int = LIMIT) -> bytes:
    """At most `limit` bytes; empty when nothing was ever written. Never follows a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        file.seek(max(0, size - limit))
        return file.read(limit)
