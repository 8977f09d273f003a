"""Files that are there whole or not at all, after a kill and after a power cut too."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

Checkpoint = Callable[[str], None]
"""Called between any two writes with the name of what was just done. Crash tests raise in it."""


UNFINISHED = ".new"
"""After the name of a file that is being written."""


def no_checkpoint(name: str) -> None:
    """Nothing happens here outside crash tests."""


def write(path: Path, data: bytes, *, mode: int = 0o600, checkpoint: Checkpoint = no_checkpoint) -> None:
    """Replace the file. The unfinished copy has a fixed name: a killed writer leaves at most one, and one
    whose disk is full leaves none."""
    unfinished = unfinished_copy(path)
    unfinished.unlink(missing_ok=True)
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        checkpoint(f"{path.name} written")
        publish(unfinished, path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    checkpoint(f"{path.name} in place")


def unfinished_copy(path: Path) -> Path:
    return path.with_name(path.name + UNFINISHED)


def sync(path: Path) -> None:
    """Force a file, or a folder's names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(unfinished: Path, path: Path) -> None:
    """Give a finished, synced file its name, durably."""
    unfinished.replace(path)
    sync(path.parent)
