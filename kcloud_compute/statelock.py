"""One agent per state directory: two would undo each other's work."""

import fcntl
import os
from pathlib import Path

from kcloud_common.errors import PermanentError


class StateInUse(PermanentError):
    """Another agent works on this state directory."""

    code = "state_in_use"


class StateLock:
    """Held until released, or until the process is gone, however it went."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise StateInUse(f"another agent holds {path}: one state_dir serves one agent") from error

    def release(self) -> None:
        os.close(self._descriptor)
