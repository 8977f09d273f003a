"""Finds out whether the agent's own disk takes what it writes, after something has failed.

A write that failed may come as the failure of almost anything, so it is not looked for in errors: once in
doubt, a small file is written durably, again and again until that works.
"""

from contextlib import suppress
from pathlib import Path

from kcloud_compute import durable

_TRIAL = bytes(4096)


class Storage:
    """One thread's. Costs nothing while nothing fails. Removes what a killed agent's trial has left."""

    def __init__(self, root: Path) -> None:
        self._trial = root / "trial"
        self._doubted = False
        for left in (self._trial, durable.unfinished_copy(self._trial)):
            with suppress(OSError):
                left.unlink()

    def doubt(self) -> None:
        self._doubted = True

    def problem(self) -> str:
        """Why nothing can be written, and what to do; empty when all is well."""
        if not self._doubted:
            return ""
        try:
            durable.write(self._trial, _TRIAL)
            self._trial.unlink()
        except OSError as error:
            why = error.strerror or str(error)
            return f"state: nothing can be written to {self._trial.parent}: {why}; make room or mend the disk"
        self._doubted = False
        return ""
