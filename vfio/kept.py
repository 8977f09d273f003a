"""Sets attributes of the host for a while; what they were is noted first, so that a crash loses nothing."""

from collections.abc import Mapping
from typing import Protocol

from vfio.errors import Vanished
from vfio.sysfs import Sysfs


class Notes(Protocol):
    """Where the owner of a device keeps what its attributes were: path to text."""

    def read(self) -> Mapping[str, str]: ...

    def write(self, before: Mapping[str, str]) -> None:
        """Durable when it returns; replaces what was noted. Of another boot nothing may come back: a reboot
        sets every attribute anew."""


class Kept:
    """Sets attributes and puts them back. Every call may be repeated after a stop at any line."""

    def __init__(self, sysfs: Sysfs, notes: Notes) -> None:
        self._sysfs = sysfs
        self._notes = notes

    def set(self, wanted: Mapping[str, str]) -> None:
        """Write those that are there and differ. What was noted before stays: it is older, hence true."""
        now = {path: text for path in wanted if (text := self._read(path)) is not None}
        changing = {path: text for path, text in now.items() if text != wanted[path]}
        noted = dict(self._notes.read())
        if new := {path: text for path, text in changing.items() if path not in noted}:
            self._notes.write({**noted, **new})
        for path in changing:
            self._sysfs.write(path, wanted[path])

    def put_back(self) -> tuple[str, ...]:
        """Everything as it was noted, newest change first; returns the paths that had to be written. One that
        is gone has nothing to be put back."""
        noted = self._notes.read()
        written = []
        for path, text in reversed(tuple(noted.items())):
            now = self._read(path)
            if now is not None and now != text:
                self._sysfs.write(path, text)
                written.append(path)
        if noted:
            self._notes.write({})
        return tuple(written)

    def _read(self, path: str) -> str | None:
        try:
            return self._sysfs.read_text(path)
        except Vanished:
            return None
