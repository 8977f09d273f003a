"""A disk that takes nothing any more: changes below one folder fail from the n-th on, or only that one.

Python's own audit events are where it is made to fail, so that nothing under test knows of it.
"""

import errno
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

_CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.link", "os.rmdir"})
FREES = frozenset({"os.remove", "os.rmdir"})
_WRITES = os.O_WRONLY | os.O_RDWR


class Disk:
    """Of one folder; use it in `with`. Counts what could fail."""

    def __init__(self, folder: Path, number: int = -1, *, error: int = 0, lasting: bool = True) -> None:
        self._folder = f"{folder}/"
        self._number, self._error, self._lasting = number, error, lasting
        self._lock = threading.Lock()
        self.changes: list[str] = []
        self.struck = threading.Event()

    def __enter__(self) -> Self:
        _watch(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.relent()

    def relent(self) -> None:
        """There is room again."""
        if _watched == [self]:
            _watched.clear()

    def happens(self, event: str, arguments: Sequence[object]) -> None:
        path = str(arguments[0])
        if not path.startswith(self._folder) or not self._counts(event, path, arguments):
            return
        with self._lock:
            number = len(self.changes)
            self.changes.append(f"{event} {path.removeprefix(self._folder)}")
            fails = number == self._number or (self._lasting and 0 <= self._number <= number)
        if event in FREES and self._error == errno.ENOSPC:
            return  # what frees room needs none
        if fails:
            self.struck.set()
            raise OSError(self._error, os.strerror(self._error), path)

    def _counts(self, event: str, path: str, arguments: Sequence[object]) -> bool:
        if event == "open":
            flags = arguments[2]
            return isinstance(flags, int) and bool(flags & _WRITES) and not path.endswith("/lock")
        if event == "os.mkdir" and os.path.exists(path):  # noqa: PTH110 - which makes no events of its own
            return False
        return event in _CHANGES


_watched: list[Disk] = []
_hooked: list[bool] = []


def _watch(disk: Disk) -> None:
    """An audit hook stays for as long as the process: one for all."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    _watched[:] = [disk]


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watched and (event == "open" or event in _CHANGES):
        for disk in _watched:
            disk.happens(event, arguments)
