"""Follows the kernel's log, in which drivers say what is wrong with their devices.

Each call reads only what has come since the last one: /dev/kmsg is held open, and gives its reader one record
after the other. Kept of it are lines that somebody judges, and of those not all for ever.
"""

import os
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

_MOST_BYTES = 8192
"""Of one record, by the kernel's own limit."""
_MOST_KEPT = 1024
_KEPT = "NVRM: Xid"


class KernelLog:
    """Thread-safe. The first call reads what the kernel still has of this boot."""

    def __init__(self, root: Path) -> None:
        self._path = root / "dev/kmsg"
        self._handle: int | None = None
        self._last = -1
        """Number of the newest record that was read: one that is read again, after a new start, is known."""
        self._kept: deque[str] = deque(maxlen=_MOST_KEPT)
        self._rest = b""
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """Lines that matter, oldest first; empty where the log may not be read."""
        with self._lock:
            self._read_on()
            return "\n".join(self._kept)

    def _read_on(self) -> None:
        try:
            if self._handle is None:
                self._handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            while self._take(self._handle):
                pass
        except OSError:
            self.close()

    def _take(self, handle: int) -> bool:
        """Whether there may be more."""
        try:
            data = os.read(handle, _MOST_BYTES)
        except BlockingIOError:
            return False
        except BrokenPipeError:
            return True  # records were overwritten before we came: go on with the oldest that is left
        # A record comes whole and ends with a newline; a file that stands for the log may be cut anywhere.
        whole, _, self._rest = (self._rest + data).rpartition(b"\n")
        for line in whole.decode("utf-8", "replace").split("\n"):
            head, _, text = line.partition(";")
            number = head.split(",")[1:2]
            # A record's further lines begin with a space and describe the first.
            if number and number[0].isdecimal() and int(number[0]) > self._last:
                self._last = int(number[0])
                if _KEPT in text:
                    self._kept.append(text)
        return bool(data)

    def close(self) -> None:
        """A later call opens it again."""
        if self._handle is not None:
            with suppress(OSError):
                os.close(self._handle)
            self._handle, self._rest = None, b""
