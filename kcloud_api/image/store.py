"""Keeps image data as files: an upload grows under `incoming/` and appears whole under its image's id.

A process that dies in the middle leaves only a part, which no longer has a lock; the next upload clears it.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid4

from kcloud_api.conf.image import ImageConf
from kcloud_api.image.inspection import Inspection
from kcloud_api.image.records import Stored
from kcloud_common.errors import TooLarge

GIB = 1024**3


class Part:
    """Data on its way in: written, hashed and inspected in one pass."""

    def __init__(self, path: Path, file: BinaryIO, limit: int) -> None:
        self._path = path
        self._file = file
        self._limit = limit
        self._inspection = Inspection()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha512 = hashlib.sha512()
        self._size = 0

    def write(self, piece: bytes) -> None:
        """Raises TooLarge past the limit, and when the disk is full."""
        self._size += len(piece)
        if self._size > self._limit:
            raise TooLarge("The incoming image is too large: The provided image is too large.")
        try:
            self._file.write(piece)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise TooLarge("Image storage media is full: There is not enough disk space.") from error
            raise
        self._md5.update(piece)
        self._sha512.update(piece)
        self._inspection.look_at(piece)

    def finish(self, disk_format: str) -> Stored:
        """All is there and on disk, but not yet under its name. Raises UnsafeImage."""
        virtual_size = self._inspection.verdict(disk_format)
        self._file.flush()
        os.fsync(self._file.fileno())
        return Stored(self._size, virtual_size, self._md5.hexdigest(), self._sha512.hexdigest())

    def publish(self, target: Path) -> None:
        """Appear under `target`, all at once, replacing what a crash may have left there."""
        self._path.replace(target)
        _sync_folder(target.parent)


def data_path(conf: ImageConf, image_id: UUID) -> Path:
    """Where the data of an active image is."""
    return Path(conf.store_dir) / str(image_id)


@contextmanager
def incoming(conf: ImageConf, image_id: UUID) -> Iterator[Part]:
    """A part to write to; what was not published is gone on leaving."""
    folder = Path(conf.store_dir) / "incoming"
    # Only this service reads the files of every project's images: hosts and users get them over HTTP.
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _clear_abandoned(folder)
    path = folder / f"{image_id}.{uuid4().hex}"
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield Part(path, file, conf.max_size_gib * GIB)
        finally:
            path.unlink(missing_ok=True)


def remove(conf: ImageConf, image_id: UUID) -> None:
    """Safe to repeat. Who is reading the data reads on to its end."""
    data_path(conf, image_id).unlink(missing_ok=True)


def _clear_abandoned(folder: Path) -> None:
    for path in folder.iterdir():
        with suppress(OSError), path.open("rb") as file:
            # Its writer holds the lock for as long as it lives.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
