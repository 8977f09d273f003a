"""Reads the kernel's log, in which drivers say what is wrong with their devices."""

import os
from contextlib import suppress
from pathlib import Path

_MOST = 8192
"""Bytes of one record, by the kernel's own limit."""


def kernel_log(root: Path) -> str:
    """All records that the kernel still has, oldest first; empty where they may not be read."""
    lines: list[str] = []
    with suppress(OSError):
        handle = os.open(root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            while True:
                try:
                    record = os.read(handle, _MOST)
                except BlockingIOError:
                    break
                except BrokenPipeError:
                    continue  # records were overwritten meanwhile: go on with the oldest that is left
                lines.append(record.decode("utf-8", "replace").partition(";")[2].partition("\n")[0])
        finally:
            os.close(handle)
    return "\n".join(lines)
